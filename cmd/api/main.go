// Command api accepts messages and receipts over HTTP.
package main

import (
	"os"

	"mmsdispatch/internal/app"
)

func main() { os.Exit(app.Main(app.API)) }
