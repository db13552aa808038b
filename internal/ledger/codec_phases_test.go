package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
)

func TestPhasesAreKeptInMilliseconds(t *testing.T) {
	t.Parallel()
	for _, want := range []*message.Phases{
		{},
		{Reused: true, Answered: true, FirstByte: 140 * time.Millisecond},
		{Answered: true, DNS: time.Millisecond, Connect: 2 * time.Second, TLS: 3 * time.Minute, FirstByte: time.Hour},
		{Connect: 5 * time.Second},
	} {
		packed := appendPhases(nil, want)
		if diff := cmp.Diff(want, unpackPhases(packed)); diff != "" {
			t.Errorf("%x: %s", packed, diff)
		}
	}
	bounded := unpackPhases(appendPhases(nil, &message.Phases{DNS: 1000 * time.Hour, Connect: -time.Second, TLS: 999 * time.Microsecond}))
	if want := (message.Phases{DNS: (1<<31 - 1) * time.Millisecond}); *bounded != want {
		t.Errorf("%+v", bounded)
	}
	if got := unpackPhases([]byte{0xff}); got != nil {
		t.Errorf("a damaged value: %+v", got)
	}
}

// What the console shows of a delivered message beside its state, the phases of its
// call and its carrier, takes few bytes: a million messages wait in memory.
func TestPhasesAndCarrierTakeFewBytes(t *testing.T) {
	t.Parallel()
	const most = 12
	for name, phases := range map[string]message.Phases{
		"used connection": {Reused: true, Answered: true, FirstByte: 1500 * time.Millisecond},
		"new connection":  {Answered: true, DNS: 9 * time.Millisecond, Connect: 40 * time.Millisecond, TLS: 90 * time.Millisecond, FirstByte: 140 * time.Millisecond},
	} {
		m := goldenMessage(t)
		m.Timeline[1].Phases, m.Operator = nil, ""
		before := len(encode(goldenHead(), m, sealed{}))
		m.Timeline[1].Phases, m.Operator = &phases, "310260"
		if grown := len(encode(goldenHead(), m, sealed{})) - before; grown > most {
			t.Errorf("%s: %d bytes more", name, grown)
		} else {
			t.Logf("%s: %d bytes", name, grown)
		}
	}
}
