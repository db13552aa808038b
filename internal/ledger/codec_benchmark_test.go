package ledger

import (
	"fmt"
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// typicalMessage is a message of a batch as a shop sends it, before its first attempt.
func typicalMessage(tb testing.TB) *message.Message {
	tb.Helper()
	at := time.UnixMilli(1_772_366_400_123).UTC()
	m := message.New(message.NewID(message.RandomIdentity(), at), message.Scope{Tenant: "acme"}, message.Content{
		To: "+12065551212", Subject: "Your order", Priority: message.Normal, ClientReference: "order-48213",
		Text:  "Hi Dana, your order #48213 has shipped and should arrive Thursday by 8 pm. Track it: https://ex.co/t/9f3k2. Reply STOP to opt out.",
		Media: []string{"https://media.example.com/orders/2026/11/24/0048213.jpg"},
	}, "+12065550100", at)
	m.BatchID = message.NewBatchID(message.RandomIdentity(), at.Add(-5*time.Second))
	return m
}

// deliveredMessage is typicalMessage after its delivery.
func deliveredMessage(tb testing.TB) *message.Message {
	tb.Helper()
	m := typicalMessage(tb)
	begun := m.CreatedAt.Add(840 * time.Millisecond)
	a := message.Attempt{Worker: "worker-1", API: "mms", BaseURL: "https://mms.api.sinch.com", Account: "a", Deadline: begun.Add(15 * time.Second)}
	if err := m.Begin(0, a, begun); err != nil {
		tb.Fatal(err)
	}
	sent := message.Outcome{
		Kind: message.OutcomeAccepted, SinchID: "bWVzc2FnZS1pZC1vZi1zaW5jaC0x",
		Phases: &message.Phases{Reused: true, Answered: true, FirstByte: 140 * time.Millisecond},
	}
	if err := m.Conclude(1, sent, message.Retry{}, begun.Add(142*time.Millisecond)); err != nil {
		tb.Fatal(err)
	}
	for i, state := range []message.ReceiptState{message.ReceiptSent, message.ReceiptDelivered} {
		r := message.Receipt{Attempt: 1, State: state, SentAs: "MMS", Operator: "310260", SinchCode: fmt.Sprintf("N10%d", i+1)}
		if err := m.Receive(r, begun.Add(time.Duration(i+1)*3*time.Second)); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

// BenchmarkRecord measures a record that is written, and one that is read.
func BenchmarkRecord(b *testing.B) {
	for name, m := range map[string]*message.Message{"queued": typicalMessage(b), "delivered": deliveredMessage(b)} {
		raw := encode(goldenHead(), m, sealed{})
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = encode(goldenHead(), m, sealed{})
			}
			b.ReportMetric(float64(len(raw)), "bytes/record")
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (codec{}).decode(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
