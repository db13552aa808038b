package sinchsim

import (
	"errors"
	"net/http"
)

type rateOrder struct {
	PerSecond float64 `json:"perSecond"`
	Burst     int     `json:"burst"`
}

func (c control) ruleRoutes(mux *http.ServeMux) {
	script := c.sim.script
	handle := func(pattern string, set func(w http.ResponseWriter, r *http.Request) bool) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if set(w, r) {
				w.WriteHeader(http.StatusNoContent)
			}
		})
	}
	undo := func(pattern string, remove func(r *http.Request)) {
		handle(pattern, func(_ http.ResponseWriter, r *http.Request) bool { remove(r); return true })
	}
	handle("PUT /sim/default", c.putDefault)
	undo("DELETE /sim/default", func(*http.Request) { script.setBase(script.initial.base) })
	handle("POST /sim/next", c.postNext)
	undo("DELETE /sim/next", func(*http.Request) { script.clearNext() })
	handle("PUT /sim/references/{reference}", c.putReference)
	undo("DELETE /sim/references/{reference}", func(r *http.Request) { script.clearReference(r.PathValue("reference")) })
	handle("PUT /sim/numbers/{number}", c.putNumber)
	undo("DELETE /sim/numbers/{number}", func(r *http.Request) { script.clearNumber(r.PathValue("number")) })
	handle("PUT /sim/latency", c.putLatency)
	undo("DELETE /sim/latency", func(*http.Request) { script.setLatency(script.initial.latency) })
	undo("DELETE /sim/tokens", func(*http.Request) { c.sim.ExpireTokens() })
	undo("DELETE /sim/templates", func(*http.Request) { c.sim.ClearTemplates() })
	handle("PUT /sim/rate", c.putRate)
	undo("DELETE /sim/rate", func(*http.Request) { script.setRate(script.initial.rate, script.initial.burst) })
}

func (c control) putDefault(w http.ResponseWriter, r *http.Request) bool {
	b, ok := order[Behavior](w, r)
	if ok {
		c.sim.SetDefault(b)
	}
	return ok
}

// orderedRule reads a rule for some calls.
func orderedRule(w http.ResponseWriter, r *http.Request) (Rule, bool) {
	o, ok := order[Rule](w, r)
	if ok && o.Times < 0 {
		refuse(w, errors.New("times is negative"))
		return o, false
	}
	return o, ok
}

func (c control) postNext(w http.ResponseWriter, r *http.Request) bool {
	o, ok := orderedRule(w, r)
	if ok {
		c.sim.Next(o.Times, o.Behavior)
	}
	return ok
}

func (c control) putReference(w http.ResponseWriter, r *http.Request) bool {
	o, ok := orderedRule(w, r)
	if ok {
		c.sim.ForReference(r.PathValue("reference"), o.Times, o.Behavior)
	}
	return ok
}

func (c control) putNumber(w http.ResponseWriter, r *http.Request) bool {
	o, ok := orderedRule(w, r)
	if ok {
		c.sim.ForNumber(r.PathValue("number"), o.Times, o.Behavior)
	}
	return ok
}

func (c control) putLatency(w http.ResponseWriter, r *http.Request) bool {
	l, ok := order[Latency](w, r)
	if ok {
		c.sim.SetLatency(l)
	}
	return ok
}

func (c control) putRate(w http.ResponseWriter, r *http.Request) bool {
	o, ok := order[rateOrder](w, r)
	if ok && (o.PerSecond < 0 || o.Burst < 0) {
		refuse(w, errors.New("a rate cannot be negative"))
		return false
	}
	if ok {
		c.sim.SetRate(o.PerSecond, o.Burst)
	}
	return ok
}
