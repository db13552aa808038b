// Command worker sends queued messages through Sinch.
package main

import (
	"os"

	"mmsdispatch/internal/app"
)

func main() { os.Exit(app.Main(app.Worker)) }
