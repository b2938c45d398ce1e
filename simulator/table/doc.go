// Package table makes readings of tables of other people: CSV and its relatives,
// from open-data portals, loggers and spreadsheets.
//
// # From file to readings
//
//	file ─► unpack, decode ─► rows ─► Mapping ─► readings ─► order of time ─► checks
//	        gzip, zstd        , ; tab |  columns → time,      Sorter: memory   Finisher: one
//	        UTF-8, UTF-16,    quotes     device, metrics;     is bounded, the  reading a moment,
//	        Windows-125x                 units, gaps          rest on disk     counters, ranges
//
// A [Mapping] says what each column becomes; it is a YAML file that people read and
// edit. [Guess] makes one of a file's names of columns and first rows, and says
// what it is not sure of. Nothing is taken silently: what a mapping does not name
// is ignored and told, what cannot be read is counted by its cause with the first
// place.
//
// # Wide and long
//
// A wide table has a column for each metric, a long one a row: a column says which
// parameter, another its value, perhaps a third its unit.
//
// # Conversion
//
// A value is a number in the file's notation, times factor, plus offset, from its
// unit to the catalogue's. What is per hour becomes what came in the period. Gases
// by volume (ppb, ppm) become µg/m³ at 1013.25 hPa and 25 °C, or gas_temperature:
// ppb × molar mass / molar volume.
package table
