package mmsjson

import "mmsdispatch/internal/sinch"

// Codes shows the table to the tests.
func Codes() sinch.Table { return codes }
