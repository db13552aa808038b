package mmsjson

import "mmsdispatch/internal/sinch"

// Codes exports the table to the tests.
func Codes() sinch.Table { return codes }
