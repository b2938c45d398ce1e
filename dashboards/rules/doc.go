// Package rules turns the table of limits into alert rules: as data, and from
// that into a Prometheus rule file and into rules that Grafana manages.
//
// # Concept
//
// A [Rule] says what of which readings is compared with what, and how a person is
// told of it; it knows no query language. [All] makes one of every limit that is
// in force, of the categories of VN_AQI, and of what must not go wrong with the
// platform itself. It depends on nothing but its [Options], so the same registry
// on the same day gives the same files.
//
// # What never alarms
//
// What an instrument sent while it calibrated or was in error (its quality is not
// 0) is left out before anything is compared.
//
// # Areas
//
// Some limits hold only for places of a use: night noise where people live, oxygen
// where lobsters are farmed. Which sites those are, the registry says: by their noise
// area (special, ordinary) and their tags (river, bathing, aquaculture), as
// [limits.Area] has them. The limits of single sites are the registry's, too. The sites are written into the rules when they are made; haidang up makes them anew
// when the registry or the day has changed, and files are rendered again. A limit
// of an area without a site has no rule.
package rules
