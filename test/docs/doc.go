// Package docs runs the commands of README.md and docs/: what a reader pastes has
// to work. The blocks of a page marked sh are one session of bash against the
// development mode. A second word on the fence changes that:
//
//	background   the block runs until the end of the page, as a service does
//	fails        the block shows a refusal: its last command has to fail
//	docker, kubernetes, promtool, make, settings
//	             the block needs a program, minutes or an account that a test
//	             does not have
package docs
