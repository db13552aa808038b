package pages

import "mmsdispatch/internal/message"

// command is an entry of the command palette.
type command struct {
	Name   string
	Path   string
	Scope  string // of the pause that it changes; empty: it changes none
	Paused bool   // it is for a scope that is paused
}

// commands are the pages and, for those who may use them, the controls.
func commands(canOperate bool) []command {
	var all []command
	for _, p := range places() {
		all = append(all, command{Name: "Go to " + p.Name, Path: p.Path})
	}
	if !canOperate {
		return all
	}
	scopes := []struct{ scope, name string }{{"all", "everything"}}
	for _, lane := range message.Lanes() {
		scopes = append(scopes, struct{ scope, name string }{"lane:" + string(lane), "lane " + string(lane)})
	}
	all = append(all, command{Name: "Change the pace", Path: Root + "pace"})
	for _, s := range scopes {
		all = append(all,
			command{Name: "Pause " + s.name, Path: Root + "pause?scope=" + s.scope, Scope: s.scope},
			command{Name: "Resume " + s.name, Path: Root + "resume?scope=" + s.scope, Scope: s.scope, Paused: true})
	}
	return all
}
