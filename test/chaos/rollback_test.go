package chaos_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// TestRollbackOfRedisSendsNothingTwice restores data of Redis from before the
// attempts of three messages, while the workers that made them keep running.
func TestRollbackOfRedisSendsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, api := range []string{mms, batches} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, shape{api: api, apis: 1, workers: 2, env: map[string]string{"LOOKUP_WINDOW": "2s"}})
			answered, hung, delivered := newMessage("answered", "high"), newMessage("hung", "normal"), newMessage("delivered", "bulk")
			s.sim.ForNumber(answered.To, 0, "none")
			s.sim.ForNumber(hung.To, 0, hanging())

			for _, w := range s.workers {
				w.Freeze()
			}
			ids := []string{s.send(answered), s.send(hung), s.send(delivered)}
			older := copyData(t, s)
			for _, w := range s.workers {
				w.Thaw()
			}
			s.awaitReady()
			s.awaitStatus(ids[0], harness.Patience, "sent")
			s.sim.AwaitCalls(ids[1], 1)
			s.awaitStatus(ids[2], harness.Patience, "delivered")

			restoreData(t, s, older)
			s.awaitReady()
			s.awaitStatus(ids[0], harness.Patience, "sent")
			if api == mms {
				s.awaitStatus(ids[1], harness.Patience, "unknown")
			} else {
				s.awaitStatus(ids[1], harness.Patience, "sent")
			}
			s.awaitStatus(ids[2], harness.Patience, "sent") // its receipts are not repeated
			harness.WhileStable(t, "one call each", 8*time.Second, func() (bool, string) {
				stats := s.sim.Stats()
				return stats.Calls == len(ids), fmt.Sprintf("%+v", stats)
			})
			for _, id := range ids {
				s.sim.WantAccepted(id, 1)
			}
		})
	}
}

// TestRollbackWithADeadWorkerSendsNothingTwice kills one of two workers at the
// moment Redis is restored to data from before all their calls: the other one has
// received the announcements of the dead one's calls.
func TestRollbackWithADeadWorkerSendsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, api := range []string{mms, batches} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			// Two slots each and slow answers: both workers get their share.
			s := start(t, shape{api: api, apis: 1, workers: 2, env: map[string]string{"LOOKUP_WINDOW": "2s", "WORKER_CONCURRENCY": "2"}})
			for _, w := range s.workers {
				w.Freeze()
			}
			ids := make([]string, 24)
			for i := range ids {
				m := newMessage(fmt.Sprintf("order-%d", i), "normal")
				s.sim.ForNumber(m.To, 0, map[string]any{"answer": "ok", "delay": "200ms", "receipts": map[string]any{"outcome": "none"}})
				ids[i] = s.send(m)
			}
			older := copyData(t, s)
			for _, w := range s.workers {
				w.Thaw()
			}
			for _, id := range ids {
				s.awaitStatus(id, harness.Patience, "sent")
			}
			s.workers[0].Kill()
			restoreData(t, s, older)
			unknown := 0
			for _, id := range ids {
				if r := s.awaitStatus(id, harness.Patience, "sent", "unknown"); r.Status == "unknown" {
					unknown++
				}
			}
			if unknown == 0 || unknown == len(ids) {
				t.Errorf("%d of %d calls were the dead worker's", unknown, len(ids))
			}
			if api == batches { // Sinch can be queried
				for _, id := range ids {
					s.awaitStatus(id, harness.Patience, "sent")
				}
			}
			for _, id := range ids {
				s.sim.WantAccepted(id, 1)
			}
		})
	}
}

const appendOnly = "appendonlydir"

// copyData copies the files of Redis.
func copyData(t *testing.T, s *stack) string {
	t.Helper()
	kept := filepath.Join(t.TempDir(), appendOnly)
	s.redis.Stop()
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(s.redis.Dir(), appendOnly))); err != nil {
		t.Fatal(err)
	}
	s.redis.Restart()
	return kept
}

// restoreData restarts Redis with copied files.
func restoreData(t *testing.T, s *stack, kept string) {
	t.Helper()
	s.redis.Stop()
	data := filepath.Join(s.redis.Dir(), appendOnly)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	s.redis.Restart()
}
