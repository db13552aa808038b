package sinch

import (
	"net/url"
	"strings"
)

// DefaultRegion is the region in which every account can send MMS.
const DefaultRegion = "us"

// DefaultBaseURL is Sinch's own host of an API: scheme and host, to which the
// API's path is appended. Only the MMS API has no regions
// (developers.sinch.com: MMS, SMS and Conversation API references).
func DefaultBaseURL(api API, region string) string {
	if region == "" {
		region = DefaultRegion
	}
	switch api {
	case APIMMS:
		return "https://api.ci.mblox.com"
	case APIBatches:
		return "https://" + region + ".sms.api.sinch.com"
	case APIConversation:
		return "https://" + region + ".conversation.api.sinch.com"
	case APISimulator: // its address is set by the process that runs it
	}
	return ""
}

// BaseURL returns the base URL of calls: the override, or else Sinch's own host. It
// has no trailing slash and no user info, so it can be recorded with every attempt.
func BaseURL(override string, api API, region string) string {
	if override == "" {
		return DefaultBaseURL(api, region)
	}
	if u, err := url.Parse(override); err == nil && u.User != nil {
		u.User = nil
		override = u.String()
	}
	return strings.TrimRight(override, "/")
}
