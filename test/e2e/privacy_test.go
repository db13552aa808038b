package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// encryptedVariable, set to anything, runs every test of this package with
// RECORD_KEYS.
const encryptedVariable = "E2E_ENCRYPTED"

// recordKey is a key whose secret follows from its id.
func recordKey(id string) string {
	secret := bytes.Repeat([]byte(id), 32)[:32]
	return id + ":" + base64.StdEncoding.EncodeToString(secret)
}

// encrypted gives the programs keys, the first of which encrypts.
func encrypted(ids ...string) option {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = recordKey(id)
	}
	return with("RECORD_KEYS", strings.Join(keys, ","))
}

// encryptionOfAll is the value of encryptedVariable.
func encryptionOfAll() option {
	if os.Getenv(encryptedVariable) == "" {
		return func(*settings) {}
	}
	return encrypted("k1")
}

// awaitNumberKey waits, where calls have several recipients, until all processes know
// that no opt-out is kept under a plain number: until then each recipient is looked
// up before its call, and goes alone.
func (s *stack) awaitNumberKey() {
	s.t.Helper()
	if s.conf.env["SINCH_API"] != batches || s.conf.redisOff {
		return
	}
	if s.conf.redisUser != "" && !slices.Contains(s.conf.redisKind, "+scan") {
		return // without SCAN the conversion never ends: each recipient has a request of its own
	}
	rdb := s.redis.Client(s.t)
	s.await("the conversion of opt-outs", harness.Patience, func() (bool, string) {
		converted, err := rdb.HExists(s.t.Context(), "mms:{m}:optouts:numbers", "converted").Result()
		return converted, fmt.Sprint(err)
	})
	const read = 6 * time.Second // each process reads it every 5 s
	s.whileStable("time to read it", read, func() (bool, string) { return true, "" })
}

// restart ends all programs and starts them again with some options more.
func (s *stack) restart(opts ...option) {
	s.t.Helper()
	for _, p := range s.started {
		if p.Running() {
			if err := p.Stop(); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for _, opt := range opts {
		opt(&s.conf)
	}
	n := len(s.workers)
	s.workers = nil
	s.startAPI()
	for range n {
		s.startWorker()
	}
	s.awaitUp()
}

// searchEverywhere looks for what is private in all that Redis wrote, and in the
// metrics and queue pages of the processes that run.
func (s *stack) searchEverywhere() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context()) // it may run after the test
	s.searchStorage()
	listeners := []string{}
	if s.api.Running() {
		listeners = append(listeners, s.admin)
	}
	for _, w := range s.workers {
		if w.Running() {
			listeners = append(listeners, w.admin)
		}
	}
	for _, base := range listeners {
		for _, page := range []string{
			"/metrics", "/queues/api/queues/bulk/pending_tasks", "/queues/api/queues/normal/scheduled_tasks", "/queues/api/queues/normal/retry_tasks",
		} {
			got, err := s.client.Get(ctx, base+page)
			if err != nil {
				s.t.Logf("%s: %v", page, err) // the test has left it frozen, or without Redis
				continue
			}
			for _, leak := range s.private.found(got.Body) {
				s.t.Errorf("%s shows %s", page, leak)
			}
		}
	}
}

// searchStorage looks for what is private in all that Redis ever wrote: its
// append-only file has every key and every value. The sender is left out: it is no
// person's.
func (s *stack) searchStorage() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.redis.Dir(), "appendonlydir", "*"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("append-only files %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, leak := range s.private.found(content) {
			if !strings.HasPrefix(leak, "the sender ") {
				s.t.Errorf("%s contains %.200s", filepath.Base(file), leak)
			}
		}
	}
}

// TestNothingPrivateIsKept sends all kinds of messages with RECORD_KEYS and looks
// for their content in Redis, logs, metrics and queue pages.
func TestNothingPrivateIsKept(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), encrypted("k1"), redisWith("--appendfsync", "always"), workers(2))
			s.sendAllKinds()
			s.private.add("metadata", "value-of-metadata")
			s.send(message{
				"subject": "subject-" + secretText(), "metadata": map[string]string{"k": "value-of-metadata"},
				"callbackUrl": "https://app.example.com/hook?secret=" + secretText(), "sendAt": time.Now().Add(time.Hour).Format(time.RFC3339),
			})
			phone := numberPool.Next()
			s.private.addMessage(message{"to": phone})
			s.want(s.call(http.MethodPut, optOut(phone), nil), http.StatusCreated)
			if list := s.want(s.call(http.MethodGet, "/v1/suppressions", nil), http.StatusOK); !strings.Contains(list.String(), phone) {
				t.Errorf("the list lacks the number: %s", list)
			}
			s.wantSuppressed(s.send(message{"to": phone}))
			s.searchEverywhere()
		})
	}
}

// TestRotationAndMissingKey: records of an old key are read as long as it is
// listed. Without it they are kept, and readable once it is back.
func TestRotationAndMissingKey(t *testing.T) {
	t.Parallel()
	s := start(t, encrypted("old"))
	phone := numberPool.Next()
	first := s.send(message{"to": phone, "clientReference": "first", "text": secretText()})
	s.awaitStatus(first, "delivered")
	out := numberPool.Next()
	s.want(s.call(http.MethodPut, optOut(out), nil), http.StatusCreated)

	s.restart(encrypted("new", "old"))
	if got := s.get200(first); got.To != phone {
		t.Errorf("after the rotation: %+v", got)
	}
	second := s.send(message{})
	s.awaitStatus(second, "delivered")
	s.wantSuppressed(s.send(message{"to": out}))

	s.restart(encrypted("new"))
	s.want(s.call(http.MethodGet, "/v1/messages/"+first, nil), http.StatusServiceUnavailable)
	s.want(s.call(http.MethodGet, "/v1/messages/"+first, nil, harness.Bearer(s.otherKey)), http.StatusNotFound)
	s.awaitLog(s.api, `"key_id":"old"`)
	list := s.want(s.call(http.MethodGet, "/v1/messages", nil), http.StatusOK).String()
	if !strings.Contains(list, first) || strings.Contains(list, phone) || !strings.Contains(list, `"to":null`) || !strings.Contains(list, `"media":null`) {
		t.Errorf("list without the key: %s", list)
	}
	s.get200(second)
	s.awaitStatus(s.send(message{}), "delivered")
	s.wantSuppressed(s.send(message{"to": out}))

	s.restart(encrypted("new", "old"))
	if got := s.get200(first); got.To != phone {
		t.Errorf("with the key again: %+v", got)
	}
}

// get200 reads a message.
func (s *stack) get200(id string) resource {
	s.t.Helper()
	var got resource
	s.read(s.want(s.call(http.MethodGet, "/v1/messages/"+id, nil), http.StatusOK), &got)
	return got
}

// awaitLog waits until a program has logged a text.
func (s *stack) awaitLog(p *harness.Program, text string) {
	s.t.Helper()
	s.await(text+" in the log", harness.Patience, func() (bool, string) {
		return bytes.Contains(p.Log(), []byte(text)), string(p.LastLines())
	})
}

// redacted are the members of a resource that show what was dropped.
type redacted struct {
	To, Text, Subject, FallbackText *string
	Media                           []string
	Metadata                        map[string]string
	RedactedAt                      *time.Time
}

func (s *stack) redacted(id string) redacted {
	s.t.Helper()
	var got redacted
	s.read(s.want(s.call(http.MethodGet, "/v1/messages/"+id, nil), http.StatusOK), &got)
	return got
}

func TestContentIsDropped(t *testing.T) {
	t.Parallel()
	s := start(t, with("CONTENT_TTL", "100ms"))
	phone := numberPool.Next()
	id := s.send(message{"to": phone, "subject": "subject", "metadata": map[string]string{"k": "v"}})
	s.awaitStatus(id, "delivered")
	s.await("no content", 30*time.Second, func() (bool, string) {
		got := s.redacted(id)
		return got.RedactedAt != nil, "it is there"
	})
	if got := s.redacted(id); got.Text != nil || got.Subject != nil || got.Media != nil || got.Metadata != nil || got.To == nil || *got.To != phone {
		t.Errorf("%+v", got)
	}
	s.wantProblem(s.call(http.MethodPost, "/v1/messages/"+id+"/replay", nil), http.StatusConflict, "not_replayable")
}

func TestErasure(t *testing.T) {
	t.Parallel()
	s := start(t, mayScan())
	phone, other := numberPool.Next(), numberPool.Next()
	done, kept := s.send(message{"to": phone}), s.send(message{"to": other})
	s.awaitStatus(done, "delivered")
	s.awaitStatus(kept, "delivered")
	open := s.send(message{"to": phone, "sendAt": time.Now().Add(time.Hour).Format(time.RFC3339)})
	s.wantProblem(s.call(http.MethodDelete, "/v1/messages/"+open, nil), http.StatusConflict, "not_erasable")
	s.wantProblem(s.call(http.MethodDelete, "/v1/messages/"+done, nil, harness.Bearer(s.otherKey)), http.StatusNotFound, "not_found")
	s.wantProblem(s.call(http.MethodDelete, "/v1/messages", nil), http.StatusBadRequest, "validation_failed")
	s.wantProblem(s.call(http.MethodDelete, "/v1/messages?to=%2B1206", nil), http.StatusBadRequest, "validation_failed")
	erase := "/v1/messages?to=%2B" + phone[1:]
	if got := s.want(s.call(http.MethodDelete, erase, nil, harness.Bearer(s.otherKey)), http.StatusOK).String(); !strings.Contains(got, `"erased":0,"open":0`) {
		t.Errorf("another tenant: %s", got)
	}
	if got := s.want(s.call(http.MethodDelete, erase, nil), http.StatusOK).String(); !strings.Contains(got, `"erased":1,"open":1`) {
		t.Errorf("%s", got)
	}
	if got := s.redacted(done); got.To == nil || *got.To != "+1…"+phone[len(phone)-2:] || got.Text != nil || got.RedactedAt == nil {
		t.Errorf("%+v", got)
	}
	for range 2 {
		s.want(s.call(http.MethodDelete, "/v1/messages/"+kept, nil), http.StatusNoContent)
	}
	s.want(s.call(http.MethodDelete, "/v1/messages/"+kept+"?force=yes", nil), http.StatusBadRequest)
}
