// Package city knows what is true in a simulated Khánh Hòa at any time.
package city
