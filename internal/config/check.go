package config

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// minDuration is the least value of any duration.
	minDuration = time.Millisecond
	// recordMargin is the time that a task needs after its request to record the
	// outcome.
	recordMargin = time.Second
)

// checkGroup applies the rules in the tags of a group's fields.
func checkGroup(group reflect.Value, problems *problems) {
	for i := range group.NumField() {
		field := group.Type().Field(i)
		if problem := checkField(group.Field(i), field.Tag); problem != "" {
			problems.add(problem, field.Tag.Get("env"))
		}
	}
}

func checkField(value reflect.Value, tag reflect.StructTag) string {
	if allowed, ok := tag.Lookup("oneof"); ok {
		if !slices.Contains(strings.Fields(allowed), value.String()) {
			return "must be one of " + strings.Join(strings.Fields(allowed), ", ")
		}
		return ""
	}

	if tag.Get("zero") == "allowed" && value.IsZero() {
		return ""
	}

	switch {
	case value.Type() == reflect.TypeFor[time.Duration]():
		if time.Duration(value.Int()) < minDuration {
			return "must be at least " + minDuration.String() + orZero(tag)
		}
	case value.CanInt():
		return checkRange(float64(value.Int()), tag)
	case value.CanFloat():
		return checkRange(value.Float(), tag)
	}
	return ""
}

func checkRange(value float64, tag reflect.StructTag) string {
	low, high := bound(tag, "min", math.Inf(-1)), bound(tag, "max", math.MaxFloat64)
	if value >= low && value <= high { // false for NaN
		return ""
	}

	if tag.Get("max") == "" {
		return "must be at least " + tag.Get("min") + orZero(tag)
	}
	return fmt.Sprintf("must be from %s to %s%s", tag.Get("min"), tag.Get("max"), orZero(tag))
}

func bound(tag reflect.StructTag, key string, absent float64) float64 {
	if value, err := strconv.ParseFloat(tag.Get(key), 64); err == nil {
		return value
	}
	return absent
}

func orZero(tag reflect.StructTag) string {
	if tag.Get("zero") == "allowed" {
		return ", or 0"
	}
	return ""
}

// checkRequired reports missing variables of a process. API_KEYS is not checked:
// keys may be stored, which is known only once Redis responds.
func (c *Config) checkRequired(problems *problems) {
	if c.Process == Ctl {
		return
	}

	if c.Sinch.Number == "" {
		problems.add("is required", "SINCH_NUMBER")
	}

	if c.Process == API {
		return
	}

	needs := func(missing bool, name string) {
		if missing {
			problems.add("is required when SINCH_API is "+c.Sinch.API, name)
		}
	}

	switch c.Sinch.API {
	case "mms":
		needs(c.Sinch.APIToken.IsZero(), "SINCH_API_TOKEN")
	case "batches":
		needs(c.Sinch.ServicePlanID == "", "SINCH_SERVICE_PLAN_ID")
		needs(c.Sinch.APIToken.IsZero(), "SINCH_API_TOKEN")
	case "conversation":
		needs(c.Sinch.ProjectID == "", "SINCH_PROJECT_ID")
		needs(c.Sinch.AppID == "", "SINCH_APP_ID")
		needs(c.Sinch.KeyID == "", "SINCH_KEY_ID")
		needs(c.Sinch.KeySecret.IsZero(), "SINCH_KEY_SECRET")
	}
}

// checkTogether applies the rules over several variables.
func (c *Config) checkTogether(problems *problems) {
	if c.Sinch.Timeout > c.Worker.TaskTimeout-recordMargin {
		problems.add("do not fit: SINCH_TIMEOUT + 1s must not be more than TASK_TIMEOUT", "SINCH_TIMEOUT", "TASK_TIMEOUT")
	}

	if c.Sinch.Timeout >= c.Worker.ShutdownTimeout {
		problems.add("do not fit: SINCH_TIMEOUT must be less than SHUTDOWN_TIMEOUT", "SINCH_TIMEOUT", "SHUTDOWN_TIMEOUT")
	}

	if c.Retry.Base > c.Retry.Cap {
		problems.add("do not fit: RETRY_BASE must not be more than RETRY_CAP", "RETRY_BASE", "RETRY_CAP")
	}

	if c.Sinch.API == "conversation" && c.Sinch.BaseURL == "" && !slices.Contains([]string{"us", "eu", "br"}, c.Sinch.Region) {
		problems.add("do not fit: the conversation API has the regions us, eu and br", "SINCH_API", "SINCH_REGION")
	}

	c.checkToken(problems)
	checkPair(problems, "SINCH_WEBHOOK_USER", c.Webhook.User, "SINCH_WEBHOOK_PASSWORD", c.Webhook.Password)
	checkPair(problems, "ADMIN_USER", c.Admin.User, "ADMIN_PASSWORD", c.Admin.Password)

	if !c.Admin.Addr.Loopback() && (c.Admin.User == "" || c.Admin.Password.IsZero()) && len(c.Admin.Users.List()) == 0 {
		problems.add("must be a loopback address such as 127.0.0.1:9090 unless ADMIN_USER and ADMIN_PASSWORD, or ADMIN_USERS, are set",
			"ADMIN_ADDR")
	}

	if (c.API.TLSCertFile == "") != (c.API.TLSKeyFile == "") {
		problems.add("must be set both or neither", "TLS_CERT_FILE", "TLS_KEY_FILE")
	}

	if c.Media.Fit == "on" && c.PublicURL() == "" && (c.Process == API || c.Process == Worker) {
		problems.add("is needed when MEDIA_FIT is on (or SINCH_CALLBACK_URL, its default): "+
			"Sinch fetches fitted media from there", "PUBLIC_URL")
	}

	checkScheme(problems, "REDIS_URL", c.Store.RedisURL,
		"redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster")
	c.checkLog(problems)
	checkScheme(problems, "DATABASE_URL", c.Store.DatabaseURL, "postgres", "postgresql")
	checkScheme(problems, "SENTRY_DSN", c.Telemetry.SentryDSN, "http", "https")
	checkDSN(problems, "SENTRY_DSN", c.Telemetry.SentryDSN)
}

// checkLog reports a LOG_HASH_KEY that is missing or no key.
func (c *Config) checkLog(problems *problems) {
	key, err := base64.StdEncoding.DecodeString(c.Log.Key.Reveal())

	switch {
	case c.Log.Key.IsZero() && c.Log.Numbers == "hash":
		problems.add("is required when LOG_NUMBERS is hash", "LOG_HASH_KEY")
	case !c.Log.Key.IsZero() && (err != nil || len(key) != hashKeyBytes):
		problems.add("must be 32 bytes in base64", "LOG_HASH_KEY")
	}
}

// checkPair reports a user without a password, or a password without a user.
func checkPair(problems *problems, userName string, user Identifier, passwordName string, password Secret) {
	if (user == "") != password.IsZero() {
		problems.add("must be set both or neither", userName, passwordName)
	}
}

// checkScheme checks the scheme of a URL that may contain a password. The package
// that dials it checks the rest.
func checkScheme(problems *problems, name string, secret Secret, schemes ...string) {
	if secret.IsZero() {
		return
	}

	parsed, err := url.Parse(secret.Reveal())
	if err != nil || !slices.Contains(schemes, parsed.Scheme) {
		problems.add("must be a URL that begins with "+strings.Join(schemes, ":// or ")+"://", name)
	}
}

// checkDSN checks the parts that Sentry requires of a DSN (develop.sentry.dev:
// SDK overview, parsing the DSN).
func checkDSN(problems *problems, name string, secret Secret) {
	if secret.IsZero() {
		return
	}

	dsn, err := url.Parse(secret.Reveal())
	if err != nil || dsn.User.Username() == "" || dsn.Hostname() == "" || !validPort(dsn.Port()) ||
		dsn.Path == "" || strings.HasSuffix(dsn.Path, "/") {
		problems.add("must be a DSN such as https://key@host/project", name)
	}
}
