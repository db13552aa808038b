package sinchsim

// Options are the settings with their defaults filled in.
func (s *Simulator) Options() Options { return s.opts }

// Random is the simulator's source of random numbers.
func (s *Simulator) Random() *RNG { return s.rng }

// RecordLookup records a call that sends nothing.
func (s *Simulator) RecordLookup(c Call) { s.recorder.recordLookup(c) }

// RecordOther records a call for a token.
func (s *Simulator) RecordOther(c Call) { s.recorder.recordOther(c) }

// NewLane makes the lane of an API, which delivers width receipts at a time.
func (s *Simulator) NewLane(rule RetryRule, width int, sender *CallbackSender) *Lane {
	return &Lane{
		rule:       rule,
		width:      width,
		maxPending: s.opts.Receipts.MaxPending,
		post:       sender.post,
		log:        s.opts.Logger,
		wake:       make(chan struct{}, 1),
	}
}

// ClearTemplates drops all saved messages of the MMS API: sending one is refused with E241.
func (s *Simulator) ClearTemplates() {
	for _, a := range s.apis {
		if mms, ok := a.(interface{ ClearTemplates() }); ok {
			mms.ClearTemplates()
		}
	}
}

// ExpireTokens makes all access tokens of the Conversation API expire.
func (s *Simulator) ExpireTokens() {
	for _, a := range s.apis {
		if conversation, ok := a.(interface{ ExpireTokens() }); ok {
			conversation.ExpireTokens()
		}
	}
}
