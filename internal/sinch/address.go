package sinch

import (
	"net/url"
	"strings"
)

// DefaultRegion is where MMS is known to work for every account.
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
	case APISimulator: // listens where the process that runs it says
	}
	return ""
}

// BaseURL is what calls go to: the override when there is one, else Sinch's own
// host. It has no slash at its end and no user info, so that it can be written
// down with every attempt.
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
