package browser_test

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"testing"
)

// question is what an operator asks, and the way from the overview to the answer.
type question struct {
	name string
	ask  func(t *testing.T, c *console, w *window)
}

// questions are those of an operator, in the order of the documentation.
func questions() []question {
	return []question{
		{"what is queued and how old", askQueued},
		{"what is in flight", askInFlight},
		{"what failed and why", askFailed},
		{"is Sinch slow", askSlow},
		{"are we paused and why", askPaused},
		{"who sends how much", askUsage},
		{"where is message X", askMessage},
		{"where is batch Y and when is it done", askBatch},
		{"what is unknown", askUnknown},
		{"replay these", askReplay},
		{"slow down now", askSlowDown},
		{"are my workers alive", askWorkers},
	}
}

// testQuestions answers every question by clicks from the overview, with and without
// script.
func testQuestions(t *testing.T, c *console) {
	t.Parallel()
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			t.Run("with script", func(t *testing.T) { q.ask(t, c, c.open(t, operator)) })
			t.Run("without script", func(t *testing.T) { q.ask(t, c, c.open(t, operator, withoutScript())) })
		})
	}
}

func askQueued(_ *testing.T, _ *console, w *window) {
	// The messages of the paused tenant wait in the bulk lane.
	w.await("waiting messages", `bulk\s+4\d\s+(\d+\.\d s|\d+ min)`)
	w.follow(link("bulk"))
	w.wantPage("Messages")
	w.choose("status", "queued")
	w.follow(button("Filter"))
	w.want(initech + `[^\n]*bulk\s+queued`)
}

func askInFlight(t *testing.T, c *console, w *window) {
	// The slow calls of a tenant may use up its slots: each run has a tenant.
	to, tenant := numberPool.Next(), map[bool]string{true: acme, false: globex}[w.script]
	c.sim.ForNumber(to, 1, "hang_before")
	id := c.send(t, tenant, fields{"to": to, "priority": "high"})
	w.await("a call in flight", `Calls in flight\s+[1-9]`)
	w.await("the message in its lane", `high\s+\d+\s+.*\s+\d+\s+[1-9]`)
	w.follow(link("high"))
	w.choose("status", "sending")
	w.follow(button("Filter"))
	w.follow(link(id))
	w.want(`Attempt 1 is in flight since .* Its outcome is known by`)
}

func askFailed(_ *testing.T, _ *console, w *window) {
	w.await("failures", `Failed in the last hour\s+[1-9]`)
	w.follow(link("").near("Failed in the last hour"))
	w.wantPage("Problems")
	w.follow(link("E110").near(acme))
	w.wantPage("Messages")
	w.want(acme + `[^\n]*failed\s+recipient E110`)
}

func askSlow(t *testing.T, c *console, w *window) {
	const enough = 4 // more than a hundredth of the calls of a minute
	c.sendAll(t, hooli, enough, func() fields {
		to := numberPool.Next()
		c.sim.ForNumber(to, 1, "slow:3500ms")
		return fields{"to": to, "priority": "high"}
	})
	w.await("slow calls", `State\s+slow\s[\s\S]*99 of 100 within\s+(\d\d|[3-9])\d\d\d ms`) // calls of other tests hang
	w.follow(link("2 workers run"))
	w.await("the latency of a worker", version+`[^\n]*(\d\d|[3-9]\.\d) s`)
}

func askPaused(_ *testing.T, _ *console, w *window) {
	w.want(`tenant:initech\s+` + pauseReason + `\s+` + admin)
	w.follow(button("Resume tenant:initech"))
	w.wantPage("Resume tenant:initech")
	w.want("Resume tenant:initech")
	w.follow(link("Go back without a change"))
	w.want(`tenant:initech\s+` + pauseReason)
}

func askUsage(_ *testing.T, _ *console, w *window) {
	w.follow(link("Tenants"))
	w.wantPage("Tenants")
	// Initech's messages are paused: it accepted some, and nothing was sent.
	w.want(`initech \(live\)\s+40\s+0\s+0`)
	w.follow(link("acme").near("acme (live)"))
	w.wantPage("Messages")
	if others := regexp.MustCompile(globex + "|" + initech + "|" + umbrella).FindString(w.text()); others != "" {
		w.t.Errorf("the list of acme has messages of %s", others)
	}
}

func askMessage(t *testing.T, c *console, w *window) {
	to, reference := numberPool.Next(), "order-"+rand.Text()
	id := c.send(t, acme, fields{"to": to, "clientReference": reference})
	for _, text := range []string{id, reference, to} {
		w.fill("Search", text)
		w.follow(button("Search"))
		if text == to { // a number leads to the list of its messages
			w.wantPage("Messages")
			w.follow(link(id))
		}
		w.wantPage("Message " + id)
		w.await("the end of its way", `Status: delivered[\s\S]*Attempt 1\s[\s\S]*Receipt`)
	}
}

func askBatch(t *testing.T, c *console, w *window) {
	// A sender with a low pace: the batch goes on for longer than the test. What was
	// canceled keeps its places in that pace: each run has a sender.
	from := map[bool]string{true: slow, false: slower}[w.script]
	id := c.batch(t, globex, "clientReference=autumn-"+rand.Text(), 150, fields{"from": from})
	defer c.call(t, globex, http.MethodPost, "/v1/batches/"+id+"/cancel", nil, nil)
	w.follow(link("Batches"))
	w.wantPage("Batches")
	w.follow(link(id))
	w.wantPage("Batch " + id)
	w.await("the time of its end", `Status: running\. \d+ of 150 messages are open; [\d.]+ calls per second end\.\s+It is done at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ, in \d`)
}

func askUnknown(_ *testing.T, _ *console, w *window) {
	w.await("unknown outcomes", `Unknown outcome\s+[1-9]`)
	w.follow(link("").near("Unknown outcome"))
	w.wantPage("Messages")
	w.want(acme + `[^\n]*unknown`)
	if other := regexp.MustCompile(`\t(delivered|failed|queued|sent)\t`).FindString(w.text()); other != "" {
		w.t.Errorf("the list of unknown messages has one that is %s", other)
	}
}

func askReplay(t *testing.T, c *console, w *window) {
	code := map[bool]string{true: "E110", false: "E351"}[w.script]
	c.awaitStatus(t, umbrella, "failed", c.sendAll(t, umbrella, 3, func() fields {
		return fields{"to": numberPool.Ending(map[bool]string{true: "9001", false: "9003"}[w.script])}
	})...)
	w.follow(link("Problems"))
	w.follow(button("Replay").near(code, umbrella))
	w.wantPage("Replay a problem")
	w.want(`3 messages of umbrella \(live\) will be queued again`)
	w.want(`0 may double`)
	w.fill("Reason", "the recipients of "+code+" were corrected")
	w.fill("Messages per second", "50")
	w.follow(button("Replay"))
	w.wantPage("Problems")
	w.await("the end of the replay", `done: 3 of 3 messages replayed, 0 skipped, at 50 per second`)
}

func askSlowDown(_ *testing.T, _ *console, w *window) {
	w.follow(button("Change pace"))
	w.wantPage("Change the pace")
	w.want(`The pace in force is 40 per second`)
	w.fill("Reason", "Sinch asked us to slow down")
	w.fill("Messages per second", "25")
	w.follow(button("Change pace"))
	w.wantPage("Overview")
	w.await("the pace", `of 25\s+set by an operator`)
	w.follow(button("Reset pace"))
	w.fill("Reason", "Sinch is well again")
	w.follow(button("Reset pace"))
	w.await("the pace", `of 40\s+SINCH_RATE`)
}

func askWorkers(_ *testing.T, _ *console, w *window) {
	w.want(`2 workers run`)
	w.follow(link("Workers"))
	w.wantPage("Workers")
	w.want(version + `\s.*\s\d+ of 20\s`)
}
