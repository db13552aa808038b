package message_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

func TestIDsRoundTrip(t *testing.T) {
	t.Parallel()
	id := message.NewID(message.RandomIdentity(), start())
	parsed, err := message.ParseID(string(id))
	if err != nil || parsed != id {
		t.Fatalf("parse %s: %s, %v", id, parsed, err)
	}
	back, n, err := message.ParseAttemptRef(id.AttemptRef(12))
	if err != nil || back != id || n != 12 {
		t.Fatalf("attempt of %s: %s %d %v", id, back, n, err)
	}
	if len(id.AttemptRef(9999999)) > 64 {
		t.Fatal("an attempt reference is longer than Sinch accepts")
	}
}

func TestSecretIdentities(t *testing.T) {
	t.Parallel()
	live, test := message.Scope{Tenant: "shop"}, message.Scope{Tenant: "shop", Test: true}
	secret := message.NewSecret("secret")
	same := secret.Reference(live, "order-1")
	if same != secret.Reference(live, "order-1") {
		t.Fatal("one reference has two identities")
	}
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte("shop:live\x00order-1"))
	if same != [16]byte(mac.Sum(nil)[:16]) { // messages of releases before must be found
		t.Error("the identity of a reference has changed")
	}
	for name, other := range map[string][16]byte{
		"test key":     secret.Reference(test, "order-1"),
		"other tenant": secret.Reference(message.Scope{Tenant: "shop2"}, "order-1"),
		"other secret": message.NewSecret("x").Reference(live, "order-1"),
		"a batch":      secret.Batch(live, "order-1"),
		"other ref":    secret.Reference(live, "order-2"),
	} {
		if other == same {
			t.Errorf("%s shares the identity", name)
		}
	}
	if message.NewID(same, start()) == message.NewID(same, start().Add(time.Millisecond)) {
		t.Error("a reference used again gets the id of the expired message")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(string(message.NewID(message.RandomIdentity(), start())))
	f.Add("msg_1" + strings.Repeat("z", 34))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := message.ParseID(s)
		if err == nil && (string(id) != s || len(id.Identity()) != 26) {
			t.Fatalf("%q became %q", s, id)
		}
		if ref, n, err := message.ParseAttemptRef(s); err == nil && ref.AttemptRef(n) != s {
			t.Fatalf("%q became %s", s, ref.AttemptRef(n))
		}
	})
}
