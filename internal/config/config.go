// Package config reads the environment into one documented, validated struct. The
// comments and tags of the fields are the only description of a variable:
// .env.example and docs/configuration.md are generated from them.
package config

import (
	"encoding/base64"
	"time"
)

// hashKeyBytes is the length of LOG_HASH_KEY.
const hashKeyBytes = 32

// Process is the kind of process being configured. Required variables and some
// defaults depend on it.
type Process string

// The kinds of processes.
const (
	API    Process = "api"    // takes messages and receipts
	Worker Process = "worker" // sends
	Dev    Process = "dev"    // both, with a simulator and an embedded Redis
	Ctl    Process = "ctl"    // the command line; nothing is required
)

// Config is everything an operator can set.
type Config struct {
	Process Process `env:"-"`

	Sinch     Sinch     `group:"Sinch account"`
	Webhook   Webhook   `group:"Receipts from Sinch"`
	API       HTTPAPI   `group:"HTTP API"`
	Store     Store     `group:"Storage"`
	Log       Log       `group:"Long-term log"`
	Message   Message   `group:"Messages"`
	Media     Media     `group:"Media"`
	Callback  Callback  `group:"Callbacks"`
	Worker    Sending   `group:"Sending"`
	Retry     Retry     `group:"Retries"`
	Unknown   Unknown   `group:"Calls with an unknown outcome"`
	Admin     Admin     `group:"Admin listener"`
	Telemetry Telemetry `group:"Logs, traces and errors"`

	misspelt []misspeltVariable
}

// Sinch is the account messages are sent with.
type Sinch struct {
	// The Sinch API that messages are sent through. `simulator` sends nothing to Sinch.
	API string `env:"SINCH_API" envDefault:"mms" oneof:"mms batches conversation simulator"`
	// Replaces scheme, host and port of the API; its own path is appended. By default they follow from `SINCH_API` and `SINCH_REGION`.
	BaseURL Origin `env:"SINCH_BASE_URL"`
	// Region of the account, for the APIs that have regions: batches all of these, conversation `us`, `eu` and `br`.
	Region string `env:"SINCH_REGION" envDefault:"us" oneof:"us eu br au ca"`
	// Service plan (batches).
	ServicePlanID Identifier `env:"SINCH_SERVICE_PLAN_ID"`
	// API token: `x-api-key` of mms, Bearer of batches.
	APIToken Secret `env:"SINCH_API_TOKEN"`
	// Campaign, sent as `service-id` (mms); left out of calls when empty.
	CampaignID Identifier `env:"SINCH_MMS_CAMPAIGN_ID"`
	// The number messages come from: a phone number with or without `+`, or a short code.
	Number Sender `env:"SINCH_NUMBER"`
	// Further numbers that callers may name as `from`, separated by commas.
	Senders Senders `env:"SINCH_SENDERS"`
	// Project (conversation).
	ProjectID Identifier `env:"SINCH_PROJECT_ID"`
	// App (conversation).
	AppID Identifier `env:"SINCH_APP_ID"`
	// Id of the access key (conversation).
	KeyID Identifier `env:"SINCH_KEY_ID"`
	// Secret of the access key (conversation).
	KeySecret Secret `env:"SINCH_KEY_SECRET"`
	// Full URL of the token endpoint (conversation).
	AuthURL Endpoint `env:"SINCH_AUTH_URL" envDefault:"https://auth.sinch.com/oauth2/token"`
	// Longest time one call may take. Must be below `SHUTDOWN_TIMEOUT` and at least 1s below `TASK_TIMEOUT`.
	Timeout time.Duration `env:"SINCH_TIMEOUT" envDefault:"10s"`
	// Messages per second over all workers; 0 means no limit. No more than a tenth of a second's worth goes out at once, but one call for many recipients (batches) takes what a second gives.
	Rate float64 `env:"SINCH_RATE" envDefault:"10" min:"0.001" max:"1000000" zero:"allowed"`
	// Messages per second of senders that have a pace of their own beside the account's, over all workers: `number=perSecond,…`, decimals allowed. For 10DLC campaigns.
	SenderRates SenderRates `env:"SINCH_SENDER_RATES"`
	// Messages per day of senders, `number=messages,…`; the day is that of America/Los_Angeles. First requests of live keys count; what does not fit waits until midnight there.
	SenderDaily SenderQuotas `env:"SINCH_SENDER_DAILY"`
	// Tenants that may send from a number and see what is sent to it, `number=tenant,…`; several tenants of a number are separated by a vertical bar. A number that is not listed belongs to all tenants.
	SenderTenants SenderTenants `env:"SINCH_SENDER_TENANTS"`
	// How long all calls pause after Sinch refused one because of the account; then one message probes it.
	Pause time.Duration `env:"SINCH_PAUSE" envDefault:"30s"`
	// Public base URL of the api, without the path of the webhook; `/webhooks/sinch/dlr` is appended to it in batches and conversation calls. Without it batches requests no delivery reports, and those of conversation go to the webhooks of the app.
	CallbackURL BaseURL `env:"SINCH_CALLBACK_URL"`
}

// Webhook configures the checks of receipts. Every configured check that applies
// to the shape of a receipt must pass.
type Webhook struct {
	// Secret of the HMAC signature (batches, conversation: the app's secret for overridden callback URLs).
	Secret Secret `env:"SINCH_WEBHOOK_SECRET"`
	// User of basic authentication (batches). Goes with `SINCH_WEBHOOK_PASSWORD`.
	User Identifier `env:"SINCH_WEBHOOK_USER"`
	// Password of basic authentication (batches).
	Password Secret `env:"SINCH_WEBHOOK_PASSWORD"`
	// Secret in the query, `?token=`, for any shape. The mms API signs nothing, so this is its only check. Letters, digits and `-` `.` `_` `~` only: `openssl rand -hex 32` makes a good one.
	Token Secret `env:"SINCH_WEBHOOK_TOKEN"`
	// Greatest age of a signature.
	MaxAge time.Duration `env:"SINCH_WEBHOOK_MAX_AGE" envDefault:"24h"`
	// Accept receipts of a shape that no check is configured for. Any request to the URL can then change the status of messages.
	Insecure bool `env:"SINCH_WEBHOOK_INSECURE" envDefault:"false"`
}

// HTTPAPI is the public listener.
type HTTPAPI struct {
	// Port of the public listener; 0 chooses a free one. A second api on the same machine needs a port of its own.
	Port int `env:"PORT" envDefault:"3000" min:"0" max:"65535"`
	// Keys for bootstrapping, `tenant:key,tenant:key,…`. A tenant is 1 to 40 of `a-z 0-9 _ -` and may appear several times; a key is `mms_live_` or `mms_test_` and 24 to 64 letters and digits. Valid as long as they are listed, also while Redis is down.
	Keys APIKeys `env:"API_KEYS"`
	// Requests per second and key, over all replicas; 0 means no limit.
	RateLimit float64 `env:"API_RATE_LIMIT" envDefault:"0" min:"0.001" max:"1000000" zero:"allowed"`
	// Messages that may wait in one lane, scheduled and retrying included, before callers get 503 `backpressure`.
	QueueLimit int64 `env:"QUEUE_LIMIT" envDefault:"1000000" min:"1"`
	// Certificate chain of the public listener, a PEM file; with it the listener speaks TLS 1.2 and 1.3, HTTP/2 included. Both files are read again within 60s after they change. Empty: plain HTTP, behind a proxy that ends TLS.
	TLSCertFile Path `env:"TLS_CERT_FILE"`
	// Private key that belongs to `TLS_CERT_FILE`, a PEM file. Goes with it.
	TLSKeyFile Path `env:"TLS_KEY_FILE"`
	// Networks of the proxies before the api, CIDRs separated by commas. The access log reads the address of the caller from `X-Forwarded-For` when the connection comes from one of them, and shows the peer of the connection otherwise.
	TrustedProxies Networks `env:"TRUSTED_PROXIES"`
	// Messages of one tenant that may wait in one lane, scheduled and retrying included, before that tenant alone gets 503 `backpressure`; 0 means half of `QUEUE_LIMIT`.
	TenantQueueLimit int64 `env:"TENANT_QUEUE_LIMIT" envDefault:"0" min:"1" zero:"allowed"`
	// Percent of the memory for accepted messages (85 % of Redis' `maxmemory`) that the messages of one tenant may take, finished ones included, before that tenant alone gets 503 `backpressure`.
	TenantMemoryShare int64 `env:"TENANT_MEMORY_SHARE" envDefault:"50" min:"1" max:"100"`
}

// TenantLimit is the limit of messages of one tenant that wait in one lane.
func (a HTTPAPI) TenantLimit() int64 {
	if a.TenantQueueLimit > 0 {
		return a.TenantQueueLimit
	}
	return (a.QueueLimit + 1) / 2
}

// Store configures the data stores. Both URLs may contain passwords.
type Store struct {
	// `redis://`, `rediss://` (TLS), `redis-sentinel://host:port?master_name=m&addr=…`, `redis-cluster://host:port?addr=…`, or the latter two as `rediss-…`.
	RedisURL Secret `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379/0"`
	// `postgres://…` of the long-term log, for all processes; `mmsctl migrate up` makes its tables. Empty: there is no long-term log.
	DatabaseURL Secret `env:"DATABASE_URL"`
	// How long a message is kept after the last change of its sent or final state. An open or unknown message never expires.
	RecordTTL time.Duration `env:"RECORD_TTL" envDefault:"720h"`
	// Keys that encrypt what is kept about people, `id:key,id:key,…`, a key being 32 bytes in base64 (`openssl rand -base64 32`). The first encrypts, all decrypt. To rotate, put a new key first in all processes and keep the old one until `RECORD_TTL` has passed. Empty: nothing is encrypted.
	RecordKeys RecordKeys `env:"RECORD_KEYS"`
	// How long text, subject, fallback text, media and metadata of a final message are kept, also in the long-term log, where it may be longer than `RECORD_TTL`; 0: as long as the message. Messages of a canceled batch lose them at once. A message without them cannot be replayed.
	ContentTTL time.Duration `env:"CONTENT_TTL" envDefault:"0" zero:"allowed"`
}

// Log configures the long-term log in PostgreSQL, which DATABASE_URL switches on.
type Log struct {
	// How long the long-term log keeps a message, counted from when it was submitted; in days (`400d`) or as a duration. Messages go by whole months.
	Retention Days `env:"LOG_RETENTION" envDefault:"400d"`
	// `plain` logs the numbers of recipients, `hash` their HMAC-SHA256 under `LOG_HASH_KEY`: searching by number still works, and messages that only the log has show a masked number.
	Numbers string `env:"LOG_NUMBERS" envDefault:"plain" oneof:"plain hash"`
	// Key of `LOG_NUMBERS=hash`, 32 bytes in base64 (`openssl rand -base64 32`). With another key earlier messages are no longer found by their number.
	Key Secret `env:"LOG_HASH_KEY"`
}

// HashKey is the key that hashes numbers; nil: they are not hashed.
func (l Log) HashKey() []byte {
	if l.Numbers != "hash" {
		return nil
	}

	key, err := base64.StdEncoding.DecodeString(l.Key.Reveal())
	if err != nil || len(key) != hashKeyBytes {
		return nil // Load refuses it
	}
	return key
}

// Message configures the rules and defaults for messages of callers.
type Message struct {
	// Countries messages may go to, ISO codes separated by commas, or `*` for any.
	Destinations Destinations `env:"MMS_DESTINATIONS" envDefault:"US,CA,AU,PR"`
	// Country of numbers that are written without `+`.
	DefaultRegion Region `env:"DEFAULT_REGION" envDefault:"US"`
	// Area codes under `+1` that are in service and that the library of phone numbers does not know yet, `code:country,…`. A number with one of them is valid when its exchange begins with 2 to 9. The default is from NANPA's planning letters and the notices of state commissions up to June 2026.
	ExtraAreaCodes AreaCodes `env:"EXTRA_AREA_CODES" envDefault:"357:US,436:US,457:US,465:US,471:US,483:US,621:US,679:US,729:US,837:US,861:US,924:US"`
	// Subject of messages that have none (mms).
	DefaultSubject Subject `env:"DEFAULT_SUBJECT" envDefault:"MMS"`
	// Span of the recipient's local day in which no message is sent, `HH:MM-HH:MM`; it may go over midnight. Messages wait, `scheduled`, unless they have `quietHours` `ignore` or the priority `high` without `quietHours`. Empty: none. The same in all processes.
	QuietHours QuietHours `env:"QUIET_HOURS"`
	// Time zone of numbers that have none, as toll-free ones and area codes that are new, for `QUIET_HOURS`.
	QuietZone Zone `env:"QUIET_ZONE" envDefault:"America/New_York"`
	// Answer to the words HELP and INFO of phones, at most once a day a number, sent as a text without media. Empty: none.
	HelpText HelpText `env:"HELP_TEXT"`
}

// Media configures the check of media URLs before they are sent to Sinch.
type Media struct {
	// `worker` checks before the call, `accept` before answering the caller (bulk is still checked by the worker), `off` never; only a name that ends in `.txt` or the like is refused before the call.
	Check string `env:"MEDIA_CHECK" envDefault:"worker" oneof:"worker accept off"`
	// Fetch media from private and loopback addresses too. For development only.
	AllowPrivate bool `env:"MEDIA_ALLOW_PRIVATE" envDefault:"false"`
	// Largest media, in bytes; with `MEDIA_FIT` all media of a message together, or what carriers accept from that kind of sender when it is less.
	MaxBytes int64 `env:"MEDIA_MAX_BYTES" envDefault:"1048576" min:"1"`
	// `on` makes media fit before the call: pictures of any common format and size are converted, shrunk and stripped of their metadata, and Sinch gets them from this service. `off` sends the URLs of the caller.
	Fit string `env:"MEDIA_FIT" envDefault:"off" oneof:"off on"`
	// Bytes that all media of a message from a sender may have together, `number=bytes,…`; other senders have `MEDIA_MAX_BYTES` or the carriers' limit. For `MEDIA_FIT`.
	SenderBytes SenderBytes `env:"SINCH_SENDER_MEDIA"`
	// Public base URL of the api, under which media are hosted at `/m/…`. By default that of `SINCH_CALLBACK_URL`; one of the two is needed for uploads and for `MEDIA_FIT`.
	PublicURL BaseURL `env:"PUBLIC_URL"`
	// Where uploaded and fitted media are kept: empty for Redis, `file:///path` for a folder that all processes share, `s3://bucket/prefix?endpoint=&region=` for a bucket, with the credentials of the AWS tools (`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, their file, or the role of the instance).
	Store MediaStore `env:"MEDIA_STORE"`
	// Bytes that all media in Redis may have together. Beyond that uploads get 503 `backpressure`, and messages that need room wait.
	StoreMax int64 `env:"MEDIA_STORE_MAX" envDefault:"268435456" min:"1"`
	// How long an uploaded or fitted media is kept after the last message that uses it.
	TTL time.Duration `env:"MEDIA_TTL" envDefault:"720h"`
}

// Callback says how status callbacks are delivered.
type Callback struct {
	// Longest time one attempt at a callback may take.
	Timeout time.Duration `env:"CALLBACK_TIMEOUT" envDefault:"15s"`
	// Deliver callbacks by http, and to private and loopback addresses too. For development only.
	AllowPrivate bool `env:"CALLBACK_ALLOW_PRIVATE" envDefault:"false"`
}

// Sending configures a worker.
type Sending struct {
	// Calls that one worker makes at once in the lanes `normal` and `bulk`. The lane `high` has a tenth of that for itself, 2 at least, on top.
	Concurrency int `env:"WORKER_CONCURRENCY" envDefault:"50" min:"1" max:"10000"`
	// Longest time a message may be worked on, from its media check to its record. At least `SINCH_TIMEOUT` + 1s.
	TaskTimeout time.Duration `env:"TASK_TIMEOUT" envDefault:"30s"`
	// How long a stopping process waits for calls in flight. More than `SINCH_TIMEOUT`, less than the grace period of the container or service manager.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"30s"`
}

// Retry is the schedule of tries after a request that was certainly not sent.
type Retry struct {
	// Tries after the first one. Throttled and account answers use none.
	Max int `env:"RETRY_MAX" envDefault:"8" min:"0" max:"1000"`
	// First delay; it doubles from try to try.
	Base time.Duration `env:"RETRY_BASE" envDefault:"2s"`
	// Longest delay. Not below `RETRY_BASE`.
	Cap time.Duration `env:"RETRY_CAP" envDefault:"15m"`
}

// Unknown configures the handling of requests whose outcome is unknown.
type Unknown struct {
	// For attempts that Sinch cannot be queried about: `hold` leaves the message unknown for an operator or a receipt, `resend` sends it again, which may send it twice.
	Policy string `env:"UNKNOWN_POLICY" envDefault:"hold" oneof:"hold resend"`
	// When `resend` sends again, counted from the deadline of the attempt.
	ReconcileAfter time.Duration `env:"RECONCILE_AFTER" envDefault:"15m"`
	// For attempts that Sinch can be queried about: three lookups over this time, from the deadline of the attempt, must find nothing before the message is sent again; 0 means never.
	LookupWindow time.Duration `env:"LOOKUP_WINDOW" envDefault:"60s" zero:"allowed"`
}

// Admin is the listener for operators; it is never the public one.
type Admin struct {
	// Address of the admin listener; by default 127.0.0.1:9090 on the api and 127.0.0.1:9091 on the worker. A second process of a kind on one machine needs one of its own; set it for the process and not in `.env`. Any other than a loopback address needs `ADMIN_USER` and `ADMIN_PASSWORD`, or `ADMIN_USERS`.
	Addr HostPort `env:"ADMIN_ADDR"`
	// User of basic authentication.
	User Identifier `env:"ADMIN_USER"`
	// Password of basic authentication. `ADMIN_USER` has the role `admin`.
	Password Secret `env:"ADMIN_PASSWORD"`
	// Further users, `name:role:bcrypt,…`. A `viewer` sees; an `operator` also changes what operators may; an `admin` may do everything. `htpasswd -nBC 12 NAME` makes the hash; in `.env` the value stands in single quotes.
	Users AdminUsers `env:"ADMIN_USERS"`
	// Allow changes from the console and from the queue pages.
	Write bool `env:"ADMIN_WRITE" envDefault:"false"`
}

// Telemetry configures logs, traces and error reports.
type Telemetry struct {
	// Least severe level that is logged.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info" oneof:"trace debug info warn error"`
	// `json` for machines, `console` for people.
	LogFormat string `env:"LOG_FORMAT" envDefault:"json" oneof:"json console"`
	// DSN of Sentry, `https://key@host/project`, to which log lines of level `error` and panics are reported; empty: none are. `SENTRY_ENVIRONMENT` names the environment of the reports.
	SentryDSN Secret `env:"SENTRY_DSN"`
	// Base URL of an OTLP/HTTP receiver of traces, to which `/v1/traces` is appended; empty: there are no traces. The SDK reads the other variables of OpenTelemetry, such as `OTEL_TRACES_SAMPLER`, from the environment, but not from `.env`.
	OTLPEndpoint Endpoint `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
}

// processDefaults holds the defaults that differ between processes.
func processDefaults(process Process) map[string]string {
	switch process {
	case Worker:
		return map[string]string{"ADMIN_ADDR": "127.0.0.1:9091"}
	case Dev:
		return map[string]string{
			"ADMIN_ADDR":   "127.0.0.1:9090",
			"LOG_FORMAT":   "console",
			"SINCH_API":    "simulator",
			"SINCH_NUMBER": "+12065550100",
		}
	case API, Ctl:
	}
	return map[string]string{"ADMIN_ADDR": "127.0.0.1:9090"}
}
