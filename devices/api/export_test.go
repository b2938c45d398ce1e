package api

// Quoted is for the fuzz test of package api_test.
var Quoted = quoted
