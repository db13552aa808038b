package message_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// The messages of a group are equal for Sinch: in all fields but the recipient and
// those that are not sent.
func TestGroups(t *testing.T) {
	t.Parallel()
	const from = "+12065550000"
	batch := message.NewBatchID(message.RandomIdentity(), start())
	content := func(change func(*message.Content)) message.Content {
		c := message.Content{
			To: "+12065551212", Subject: "s", Text: "t", Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk,
			SendAt: start(), ExpiresAt: start().Add(time.Hour),
		}
		change(&c)
		return c
	}
	group := message.GroupOf(batch, content(func(*message.Content) {}), from)
	tests := map[string]struct {
		change func(*message.Content)
		same   bool
	}{
		"recipient": {func(c *message.Content) { c.To = "+12065551213" }, true},
		"reference": {func(c *message.Content) { c.ClientReference = "order-1" }, true},
		"metadata":  {func(c *message.Content) { c.Metadata = map[string]string{"k": "v"} }, true},
		"callback":  {func(c *message.Content) { c.CallbackURL = "https://example.com" }, true},
		"subject":   {func(c *message.Content) { c.Subject = "" }, false},
		"text":      {func(c *message.Content) { c.Text = "T" }, false},
		"shifted":   {func(c *message.Content) { c.Subject, c.Text = "st", "" }, false},
		"media":     {func(c *message.Content) { c.Media = []string{"https://example.com/b.jpg"} }, false},
		"lane":      {func(c *message.Content) { c.Priority = message.High }, false},
		"time":      {func(c *message.Content) { c.SendAt = time.Time{} }, false},
		"expiry":    {func(c *message.Content) { c.ExpiresAt = time.Time{} }, false},
	}
	for name, tc := range tests {
		if same := message.GroupOf(batch, content(tc.change), from) == group; same != tc.same {
			t.Errorf("another %s: same group %t, want %t", name, same, tc.same)
		}
	}
	other := message.NewBatchID(message.RandomIdentity(), start())
	if message.GroupOf(other, content(func(*message.Content) {}), from) == group {
		t.Error("two batches share a group")
	}
	if message.GroupOf(batch, content(func(*message.Content) {}), "28444") == group {
		t.Error("two senders share a group")
	}
}

func TestCallNames(t *testing.T) {
	t.Parallel()
	m := queued(t)
	call := message.NewCall()
	if call == message.NewCall() || len(call) > 64 || !message.IsCall(call) {
		t.Errorf("call %q", call)
	}
	own := (&message.Attempt{N: 2}).Ref(m.ID)
	if own != m.ID.AttemptRef(2) || message.IsCall(own) {
		t.Errorf("reference %q", own)
	}
	if got := (&message.Attempt{N: 2, Call: call}).Ref(m.ID); got != call {
		t.Errorf("reference %q, want the call's", got)
	}
}

func TestRefusedCallIsDivided(t *testing.T) {
	t.Parallel()
	refused := message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient, SinchCode: "illegal_number_type"}
	first, second := queued(t), queued(t)
	first.Group, second.Group = "g", "g"
	for part, m := range []*message.Message{first, second} {
		n := begin(t, m, start())
		for range 2 {
			must(t, m.Divide(n, part, refused, start()))
		}
		want(t, m, message.StatusQueued, "")
		if m.Tries != 0 || m.Task != 0 || !m.NextAt.IsZero() {
			t.Errorf("tries %d, task %d, next %s", m.Tries, m.Task, m.NextAt)
		}
	}
	if first.Group == second.Group || first.Group == "g" || second.Group == "g" {
		t.Errorf("groups %q and %q", first.Group, second.Group)
	}
}

// What is replayed goes alone.
func TestReplayLeavesTheGroup(t *testing.T) {
	t.Parallel()
	m := queued(t)
	m.Group = "g"
	must(t, m.Cancel(start()))
	must(t, m.Replay(false, time.Time{}, start()))
	if m.Group != "" {
		t.Errorf("still in group %q", m.Group)
	}
}
