package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// PublicURL is the base URL of the links to media; empty: no media can be hosted.
func (c *Config) PublicURL() string {
	switch {
	case c.Media.PublicURL != "":
		return string(c.Media.PublicURL)
	case c.Sinch.CallbackURL != "":
		return string(c.Sinch.CallbackURL)
	case c.Process == Dev:
		return fmt.Sprintf("http://127.0.0.1:%d", c.API.Port)
	default:
		return ""
	}
}

// The schemes of a MediaStore.
const (
	StoreFile = "file"
	StoreS3   = "s3"
)

// MediaStore says where media are kept.
type MediaStore struct{ at *url.URL }

// URL is the folder (file) or bucket (s3); nil: Redis.
func (m MediaStore) URL() *url.URL { return m.at }

// UnmarshalText takes the value from the environment.
func (m *MediaStore) UnmarshalText(text []byte) error {
	at, err := url.Parse(string(text))
	if err != nil || at.User != nil || at.Fragment != "" {
		return invalidError("must be empty, file:///path or s3://bucket/prefix?endpoint=&region=, without credentials")
	}

	switch at.Scheme {
	case StoreFile:
		if at.Host != "" || !path.IsAbs(at.Path) || at.RawQuery != "" {
			return invalidError("must name an absolute path, such as file:///var/lib/mms")
		}
	case StoreS3:
		if at.Hostname() == "" || at.Port() != "" {
			return invalidError("must name a bucket, such as s3://bucket/prefix?region=us-east-1")
		}

		for name := range at.Query() {
			if name != "endpoint" && name != "region" {
				return invalidError("knows the parameters endpoint and region only")
			}
		}
	default:
		return invalidError("must be empty, file:///path or s3://bucket/prefix?endpoint=&region=")
	}

	m.at = at
	return nil
}

// SenderBytes are limits in bytes by sender.
type SenderBytes struct{ limits map[string]int64 }

// Limits are the limits by sender as messages name it.
func (s SenderBytes) Limits() map[string]int64 { return maps.Clone(s.limits) }

// UnmarshalText takes the value from the environment.
func (s *SenderBytes) UnmarshalText(text []byte) error {
	limits := map[string]int64{}

	var wrong []string

	for i, entry := range strings.Split(string(text), ",") {
		number, written, _ := strings.Cut(strings.TrimSpace(entry), "=")

		var sender Sender
		if err := sender.UnmarshalText([]byte(number)); err != nil {
			wrong = append(wrong, fmt.Sprintf("the sender of entry %d %v", i+1, err))

			continue
		}

		bytes, err := strconv.ParseInt(written, 10, 64)
		if err != nil || bytes < 1 {
			wrong = append(wrong, fmt.Sprintf("entry %d has no number of bytes", i+1))
		}

		limits[message.CanonicalSender(number)] = bytes
	}

	if len(wrong) > 0 {
		return invalidError("must be a list such as +12065550100=1000000,28444=600000; " + strings.Join(wrong, "; "))
	}

	s.limits = limits
	return nil
}
