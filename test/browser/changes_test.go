package browser_test

import (
	"crypto/rand"
	"testing"
)

// testChanges makes changes by their controls: each is confirmed with a reason, and the
// audit lists it.
func testChanges(t *testing.T, c *console) {
	t.Parallel()
	changes := map[string]func(*testing.T, *console, *window, string){
		"a lane is paused and resumed": pauseLane,
		"a message is replayed":        replayMessage,
		"a message is revealed":        revealMessage,
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("with script", func(t *testing.T) { change(t, c, c.open(t, admin), "change "+rand.Text()) })
			t.Run("without script", func(t *testing.T) { change(t, c, c.open(t, admin, withoutScript()), "change "+rand.Text()) })
		})
	}
}

// wantAudited checks that the audit lists a change.
func (w *window) wantAudited(action, target, reason string) {
	w.t.Helper()
	w.follow(link("Audit"))
	w.wantPage("Audit")
	w.want(admin + `\s+console\s+` + action + `\s+` + target + `[^\n]*\s` + reason)
}

func pauseLane(_ *testing.T, _ *console, w *window, reason string) {
	for _, control := range []struct{ button, action, state string }{{"Pause", "pause", "paused"}, {"Resume", "resume", "open"}} {
		w.follow(link("Overview"))
		w.follow(button(control.button).near("bulk"))
		w.wantPage(control.button + " lane:bulk")
		w.fill("Reason", reason)
		w.follow(button(control.button))
		w.wantPage("Overview")
		w.want(`bulk\s[^\n]*` + control.state)
		w.wantAudited(control.action, "lane:bulk", reason)
	}
}

func replayMessage(t *testing.T, c *console, w *window, reason string) {
	to := numberPool.Next()
	c.sim.ForNumber(to, 1, "E110")
	id := c.send(t, hooli, fields{"to": to, "priority": "high"})
	c.awaitStatus(t, hooli, "failed", id)
	w.fill("Search", id)
	w.follow(button("Search"))
	w.follow(button("Replay"))
	w.wantPage("Replay " + id)
	w.want(`1 message is queued again[\s\S]*0 may double`)
	w.fill("Reason", reason)
	w.follow(button("Replay"))
	w.wantPage("Message " + id)
	w.await("the second attempt", `Status: delivered`)
	w.wantAudited("message.replay", id, reason)
}

func revealMessage(t *testing.T, c *console, w *window, reason string) {
	text, to := "secret-"+rand.Text(), numberPool.Next()
	id := c.send(t, hooli, fields{"to": to, "text": text, "priority": "high"})
	w.fill("Search", id)
	w.follow(button("Search"))
	w.wantPage("Message " + id)
	w.wantNot(text, to)
	w.follow(button("Reveal"))
	w.wantPage("Reveal " + id)
	w.fill("Reason", reason)
	w.follow(button("Reveal"))
	w.want(`Shown once[\s\S]*\` + to + `[\s\S]*` + text)
	w.wantAudited("message.reveal", id, reason)
	w.wantNot(text, to)
}
