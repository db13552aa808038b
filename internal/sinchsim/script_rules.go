package sinchsim

// Rules is the current script.
type Rules struct {
	Default    Behavior        `json:"default"`
	Next       []Rule          `json:"next"`
	References map[string]Rule `json:"references"`
	Numbers    map[string]Rule `json:"numbers"`
	Latency    Latency         `json:"latency"`
	Rate       float64         `json:"perSecond"`
	Burst      int             `json:"burst"`
}

// Rule is a behaviour and the number of calls that it still applies to; 0: all.
type Rule struct {
	Behavior Behavior `json:"behavior"`
	Times    int      `json:"times,omitzero"`
}

// SetDefault sets the behaviour of calls that no other rule matches.
func (s *Simulator) SetDefault(b Behavior) { s.script.setBase(b) }

// Next sets the behaviour of the next times calls, after those already set.
func (s *Simulator) Next(times int, b Behavior) { s.script.addNext(times, b) }

// ForNumber sets the behaviour of calls to a number, with or without +, for the
// next times calls; 0 is without end.
func (s *Simulator) ForNumber(number string, times int, b Behavior) {
	s.script.setNumber(number, times, b)
}

// ForReference sets the behaviour of calls with a client reference, or with any
// reference of a message when a message id is given, for the next times calls;
// 0 is without end.
func (s *Simulator) ForReference(reference string, times int, b Behavior) {
	s.script.setReference(reference, times, b)
}

// SetRate throttles recipients above perSecond; 0 lifts the limit. A burst of 0
// is one second's worth.
func (s *Simulator) SetRate(perSecond float64, burst int) { s.script.setRate(perSecond, burst) }

// SetLatency sets the delay of every response.
func (s *Simulator) SetLatency(l Latency) { s.script.setLatency(l) }

// Rules returns the current script.
func (s *Simulator) Rules() Rules { return s.script.rules() }

func (s *script) rules() Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Rules{
		Default: s.base, Latency: s.latency, Rate: s.rate, Burst: s.burst,
		Next:       make([]Rule, 0, len(s.next)),
		References: make(map[string]Rule, len(s.byReference)),
		Numbers:    make(map[string]Rule, len(s.byNumber)),
	}
	for _, n := range s.next {
		r.Next = append(r.Next, Rule{n.Behavior, n.left})
	}
	for key, n := range s.byReference {
		r.References[key] = Rule{n.Behavior, n.left}
	}
	for key, n := range s.byNumber {
		r.Numbers[key] = Rule{n.Behavior, n.left}
	}
	return r
}
