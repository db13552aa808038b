package redisconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrURL is what every error of Parse wraps. Its texts name what is wrong and
// which parameter, never a part of the URL: where a password is not escaped,
// any part may be a piece of it.
var ErrURL = errors.New("invalid Redis URL")

const (
	maxPort     = 65535
	maxPoolSize = 100_000
	maxBuffer   = 64 << 20

	schemes = "redis, rediss, redis-sentinel, rediss-sentinel, redis-cluster or rediss-cluster"
)

// Parse reads a URL of one of these forms; with rediss in place of redis the
// connections use TLS.
//
//	redis://user:password@host:port/db?option=…
//	redis-sentinel://user:password@host:port/db?master_name=m&addr=host2:port2&username=…&password=…
//	redis-cluster://user:password@host:port?addr=host2:port2
//
// The options are those of go-redis' ParseURL, ParseFailoverURL and
// ParseClusterURL. With Sentinel the credentials before the host are the
// sentinels' and those in the query the data nodes', as in go-redis. Options
// that read from replicas or switch a timeout off are refused: what is decided
// here must be decided on the primary, and in time.
func Parse(rawURL string) (Options, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Options{}, fault("it cannot be read; special characters in user and password must be percent-encoded")
	}
	family, mode, err := splitScheme(u.Scheme)
	if err != nil {
		return Options{}, err
	}
	if err := checkShape(u, mode); err != nil {
		return Options{}, err
	}
	u.Scheme = family
	opts, err := parseMode(u, mode)
	if err != nil {
		// go-redis repeats the values it dislikes.
		return Options{}, explain(u, mode)
	}
	if err := opts.check(mode); err != nil {
		return Options{}, err
	}
	return opts, nil
}

func fault(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrURL, fmt.Sprintf(format, args...))
}

func splitScheme(scheme string) (family string, mode Mode, err error) {
	family, suffix, found := strings.Cut(scheme, "-")
	switch {
	case family != "redis" && family != "rediss":
	case !found:
		return family, ModeSingle, nil
	case suffix == string(ModeSentinel):
		return family, ModeSentinel, nil
	case suffix == string(ModeCluster):
		return family, ModeCluster, nil
	}
	return "", "", fault("its scheme must be %s", schemes)
}

// checkShape refuses what go-redis would silently ignore or take for something
// else, such as the rest of a password after an unescaped # or /.
func checkShape(u *url.URL, mode Mode) error {
	if u.Opaque != "" {
		return fault("after the scheme comes ://")
	}
	if u.Fragment != "" {
		return fault("it has a fragment; # in a password is written %%23")
	}
	if port := u.Port(); port != "" && !validPort(port) {
		return fault("its port must be between 1 and %d", maxPort)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return fault("its query cannot be read")
	}
	db := strings.Trim(u.Path, "/")
	if db == "" {
		return nil
	}
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 {
		return fault("its path must be a database number")
	}
	if mode == ModeCluster && n != 0 {
		return fault("a cluster has database 0 only")
	}
	return nil
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= maxPort
}

// parseMode returns errors that may show the URL: they are not passed on.
func parseMode(u *url.URL, mode Mode) (Options, error) {
	var (
		opts redis.UniversalOptions
		err  error
	)
	switch mode {
	case ModeSentinel:
		err = parseSentinel(u.String(), &opts)
	case ModeCluster:
		err = parseCluster(u.String(), &opts)
	case ModeSingle:
		err = parseSingle(u.String(), &opts)
	}
	if err != nil {
		return Options{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return Options{url: opts}, nil
}

func parseSingle(rawURL string, opts *redis.UniversalOptions) error {
	parsed, err := redis.ParseURL(rawURL)
	if err != nil {
		return err //nolint:wrapcheck // parseMode wraps it
	}
	copyShared(opts, parsed)
	opts.Addrs = []string{parsed.Addr}
	return nil
}

func parseSentinel(rawURL string, opts *redis.UniversalOptions) error {
	parsed, err := redis.ParseFailoverURL(rawURL)
	if err != nil {
		return err //nolint:wrapcheck // parseMode wraps it
	}
	copyShared(opts, parsed)
	opts.Addrs = parsed.SentinelAddrs
	opts.ReadOnly = parsed.ReplicaOnly || parsed.UseDisconnectedReplicas
	return nil
}

func parseCluster(rawURL string, opts *redis.UniversalOptions) error {
	parsed, err := redis.ParseClusterURL(rawURL)
	if err != nil {
		return err //nolint:wrapcheck // parseMode wraps it
	}
	copyShared(opts, parsed)
	opts.IsClusterMode = true
	if opts.TLSConfig != nil {
		opts.TLSConfig.MinVersion = tls.VersionTLS12
	}
	return nil
}

// copyShared copies the fields that a struct of go-redis has in common with
// UniversalOptions, which no URL can be parsed into. By name, so that a setting
// that go-redis adds to its URLs is not lost here.
func copyShared(to *redis.UniversalOptions, from any) {
	source, target := reflect.ValueOf(from).Elem(), reflect.ValueOf(to).Elem()
	for _, field := range reflect.VisibleFields(source.Type()) {
		if shared := target.FieldByName(field.Name); shared.IsValid() && shared.Type() == field.Type {
			shared.Set(source.FieldByIndex(field.Index))
		}
	}
}

// explain finds out which parameter go-redis refused. A name is only repeated
// when go-redis knows it; any other may be a piece of a password.
func explain(u *url.URL, mode Mode) error {
	refused := func(query url.Values) bool {
		probe := *u
		probe.RawQuery = query.Encode()
		_, err := parseMode(&probe, mode)
		return err != nil
	}
	for name, values := range u.Query() {
		if !refused(url.Values{name: values}) {
			continue
		}
		if name == "addr" && mode != ModeSingle {
			return fault("every addr must be host:port")
		}
		if refused(url.Values{name: {""}}) {
			return fault("it has a parameter that is not known for this scheme")
		}
		return fault("the value of its parameter %s is wrong", name)
	}
	return fault("it cannot be used")
}

// check refuses settings that go-redis takes as they come, up to a panic.
func (o Options) check(mode Mode) error {
	u := o.url
	if mode == ModeSentinel && u.MasterName == "" {
		return fault("the parameter master_name is missing")
	}
	if u.ReadOnly || u.RouteByLatency || u.RouteRandomly {
		return fault("it must not ask for reads from replicas")
	}
	if u.DB < 0 {
		return fault("its database must not be negative")
	}
	if u.Protocol != 0 && u.Protocol != 2 && u.Protocol != 3 {
		return fault("the parameter protocol must be 2 or 3")
	}
	for name, n := range counts(u) {
		if n < 0 || n > maxPoolSize {
			return fault("the parameter %s must be between 0 and %d", name, maxPoolSize)
		}
	}
	for name, n := range buffers(u) {
		if n < 0 || n > maxBuffer {
			return fault("the parameter %s must be between 0 and %d", name, maxBuffer)
		}
	}
	for name, d := range timeouts(u) {
		if d < 0 {
			return fault("the parameter %s must be above 0", name)
		}
	}
	return nil
}

func counts(u redis.UniversalOptions) map[string]int {
	return map[string]int{
		"pool_size": u.PoolSize, "min_idle_conns": u.MinIdleConns, "max_idle_conns": u.MaxIdleConns,
		"max_active_conns": u.MaxActiveConns, "max_concurrent_dials": u.MaxConcurrentDials,
	}
}

func buffers(u redis.UniversalOptions) map[string]int {
	return map[string]int{
		"pipeline_read_buffer_size": u.PipelineReadBufferSize, "pipeline_write_buffer_size": u.PipelineWriteBufferSize,
	}
}

func timeouts(u redis.UniversalOptions) map[string]time.Duration {
	return map[string]time.Duration{
		"dial_timeout": u.DialTimeout, "read_timeout": u.ReadTimeout,
		"write_timeout": u.WriteTimeout, "pool_timeout": u.PoolTimeout,
	}
}
