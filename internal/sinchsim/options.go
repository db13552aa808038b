package sinchsim

import (
	"cmp"
	"context"
	"time"

	"github.com/rs/zerolog"
)

// Defaults of Options. The retry figures are Sinch's own.
const (
	DefaultAddr          = "127.0.0.1:8181"
	DefaultFirstWithin   = 50 * time.Millisecond
	DefaultStep          = 100 * time.Millisecond
	DefaultMaxRecords    = 100_000
	DefaultMaxPending    = 1_000_000
	DefaultAnswerTimeout = 10 * time.Second
	DefaultMMSRetryAfter = 5 * time.Minute
	DefaultMMSRetries    = 5
	DefaultEncodeTime    = 200 * time.Millisecond
	DefaultXMSRetryAfter = 5 * time.Second
	DefaultXMSRetries    = 15 // 5 s doubled 14 times: the last one 81,920 s after the first failure
	DefaultXMSSlowDown   = time.Second
	DefaultXMSStreams    = 8

	DefaultConversationRetryAfter = 5 * time.Second
	DefaultConversationRetries    = 10
	DefaultConversationStreams    = 8
	DefaultTokenLife              = time.Hour
	DefaultTokenRate              = 10 // a second
	DefaultTokenBurst             = 30
	DefaultQueueLimit             = 500_000
)

// Options are the settings of a Simulator. The zero value is ready to use: it
// accepts any credentials, answers at once and delivers receipts only to
// callback URLs that come with a call.
type Options struct {
	// Addr is where Run listens (DefaultAddr).
	Addr string
	// ControlAddr moves the control API (/sim/…) to a listener of its own;
	// empty serves it on Addr too.
	ControlAddr string
	// NoControl serves no control API at all.
	NoControl bool
	// Logger gets one debug line a call and a line for every dropped receipt, without
	// numbers, references, URLs or keys.
	Logger zerolog.Logger
	// Seed makes ids, latencies and receipt times repeatable; 0 picks one.
	Seed uint64
	// Behavior is the behaviour of every call that no rule matches.
	Behavior Behavior
	// NoMagicNumbers switches off the behaviours by last four digits.
	NoMagicNumbers bool
	// Latency is the delay of every response.
	Latency Latency
	// HangLimit bounds AnswerHang: the connection is closed after it. 0 hangs until the
	// client disconnects.
	HangLimit time.Duration
	// Rate is the number of recipients per second above which calls are
	// throttled (E113, 429); 0 is no limit. Burst (one second's worth) is the bucket
	// size.
	Rate  float64
	Burst int
	// FetchMedia fetches every media URL of an MMS call, as Sinch does, and responds with
	// E351… for a missing length, a chunked body or a status other than 200. Without it only the form of the URL is checked.
	FetchMedia bool
	// CountsOnly keeps only totals, so that memory stays constant: for benchmarks and
	// long-lived processes. The
	// counts by reference, message and number and the stored batches are then
	// empty.
	CountsOnly bool
	// KeepBodies keeps the body of each recorded call.
	KeepBodies bool
	// MaxRecords bounds the calls and the batches kept in detail
	// (DefaultMaxRecords); counts by reference and number are always complete.
	MaxRecords int
	// Receipts, MMS, Batches and Conversation are the settings of receipts and APIs.
	Receipts     ReceiptOptions
	MMS          MMSOptions
	Batches      BatchesOptions
	Conversation ConversationOptions
}

// ReceiptOptions are the settings of the delivery of receipts.
type ReceiptOptions struct {
	// Deliver receives receipts in process instead of over HTTP. An error causes a retry
	// by the API's rule.
	Deliver func(ctx context.Context, r Receipt) error
	// FirstWithin is the longest time between acceptance and the first receipt
	// (DefaultFirstWithin; negative: at once).
	FirstWithin time.Duration
	// Step is the time between two receipts of a message (DefaultStep;
	// negative: none).
	Step time.Duration
	// MaxPending bounds the receipts that wait; further ones are dropped and counted
	// (DefaultMaxPending).
	MaxPending int
}

// MMSOptions are the settings of the MMS JSON API.
type MMSOptions struct {
	// APIKey is the x-api-key that is accepted; empty accepts any but an empty
	// one.
	APIKey string
	// ServiceID is the campaign that is accepted; empty accepts any and none.
	ServiceID string
	// CallbackURL is the account's only receipt URL.
	CallbackURL string
	// AnswerTimeout, RetryAfter and Retries are the retry rule: HTTP 200 within
	// AnswerTimeout (10 s) or again after RetryAfter (5 min), at most Retries
	// (5) times.
	AnswerTimeout time.Duration
	RetryAfter    time.Duration
	Retries       int
	// EncodeTime is how long a saved template with audio or video is not ready
	// (DefaultEncodeTime; negative: none).
	EncodeTime time.Duration
}

// BatchesOptions are the settings of the SMS REST API.
type BatchesOptions struct {
	// Token and Plan are the accepted credentials; empty accepts any but an empty one.
	Token string
	Plan  string
	// CallbackURL is the plan's receipt URL, for batches without their own.
	CallbackURL string
	// Secret signs callbacks (HMAC); User and Password go as basic auth. Empty
	// leaves them out.
	Secret   string
	User     string
	Password string
	// AnswerTimeout, RetryAfter and Retries are the retry rule: the n-th retry
	// comes RetryAfter·2ⁿ⁻¹ (5 s, 10 s, …) after the first failure.
	AnswerTimeout time.Duration
	RetryAfter    time.Duration
	Retries       int
	// SlowDown is the pause of all callbacks after a 429
	// (DefaultXMSSlowDown).
	SlowDown time.Duration
	// Streams is the number of concurrent callbacks (DefaultXMSStreams).
	Streams int
	// ListDelay is the time during which lookups do not find a new batch: Sinch does not
	// document that it can be read right after its acceptance.
	ListDelay time.Duration
	// DrainRate is the rate of the plan's queue, in recipients per second; 0 is no limit.
	DrainRate float64
}

// ConversationOptions are the settings of the Conversation API: one project and
// app, in dispatch mode, with the channels MMS and SMS.
type ConversationOptions struct {
	// Project and App are the known ids; empty accepts any.
	Project string
	App     string
	// KeyID and KeySecret are what the token endpoint accepts; empty accepts any
	// but an empty one.
	KeyID     string
	KeySecret string
	// TokenLife is the lifetime of a token (DefaultTokenLife).
	TokenLife time.Duration
	// TokenRate and TokenBurst are the token endpoint's own limit (10 a second,
	// 30 at once); above it the response is 429 without Retry-After.
	TokenRate  float64
	TokenBurst int
	// MMSOnly removes the SMS channel from the app.
	MMSOnly bool
	// RetentionDays is the app's dispatch retention; 0, Sinch's default, retains no
	// message for lookups.
	RetentionDays int
	// CallbackURL is the app's webhook, for messages without their own.
	CallbackURL string
	// Secret signs callbacks (HMAC), those to a message's own URL too.
	Secret string
	// AnswerTimeout, RetryAfter and Retries are the retry rule, doubling as that of the
	// SMS REST API; Sinch documents only that it backs off.
	AnswerTimeout time.Duration
	RetryAfter    time.Duration
	Retries       int
	// Streams is the number of concurrent callbacks.
	Streams int
	// ListDelay is the time during which lookups do not find a new message.
	ListDelay time.Duration
	// DrainRate is the rate of the app's queue, in messages per second; 0 is no limit. At
	// QueueLimit messages the response is 429 (DefaultQueueLimit).
	DrainRate  float64
	QueueLimit int
}

func (o Options) withDefaults() Options {
	o.Addr = cmp.Or(o.Addr, DefaultAddr)
	o.MaxRecords = cmp.Or(o.MaxRecords, DefaultMaxRecords)
	o.Receipts = o.Receipts.withDefaults()
	o.MMS = o.MMS.withDefaults()
	o.Batches = o.Batches.withDefaults()
	o.Conversation = o.Conversation.withDefaults()
	return o
}

func (o ReceiptOptions) withDefaults() ReceiptOptions {
	o.FirstWithin = cmp.Or(o.FirstWithin, DefaultFirstWithin)
	o.Step = cmp.Or(o.Step, DefaultStep)
	o.MaxPending = cmp.Or(o.MaxPending, DefaultMaxPending)
	return o
}

func (o MMSOptions) withDefaults() MMSOptions {
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, DefaultAnswerTimeout)
	o.RetryAfter = cmp.Or(o.RetryAfter, DefaultMMSRetryAfter)
	o.Retries = cmp.Or(o.Retries, DefaultMMSRetries)
	o.EncodeTime = cmp.Or(o.EncodeTime, DefaultEncodeTime)
	return o
}

func (o BatchesOptions) withDefaults() BatchesOptions {
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, DefaultAnswerTimeout)
	o.RetryAfter = cmp.Or(o.RetryAfter, DefaultXMSRetryAfter)
	o.Retries = cmp.Or(o.Retries, DefaultXMSRetries)
	o.SlowDown = cmp.Or(o.SlowDown, DefaultXMSSlowDown)
	o.Streams = cmp.Or(o.Streams, DefaultXMSStreams)
	return o
}

func (o ConversationOptions) withDefaults() ConversationOptions {
	o.TokenLife = cmp.Or(o.TokenLife, DefaultTokenLife)
	o.TokenRate = cmp.Or(o.TokenRate, DefaultTokenRate)
	o.TokenBurst = cmp.Or(o.TokenBurst, DefaultTokenBurst)
	o.AnswerTimeout = cmp.Or(o.AnswerTimeout, DefaultAnswerTimeout)
	o.RetryAfter = cmp.Or(o.RetryAfter, DefaultConversationRetryAfter)
	o.Retries = cmp.Or(o.Retries, DefaultConversationRetries)
	o.Streams = cmp.Or(o.Streams, DefaultConversationStreams)
	o.QueueLimit = cmp.Or(o.QueueLimit, DefaultQueueLimit)
	return o
}
