// Command mmsctl is the command line of the dispatcher.
package main

import (
	"os"

	"mmsdispatch/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
