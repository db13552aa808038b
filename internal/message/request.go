package message

import (
	"maps"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/strictjson"
)

// RuleOptions are the rules that configuration decides.
type RuleOptions struct {
	DefaultRegion string // ISO country of numbers that are written without +
	// ExtraAreaCodes are area codes under +1 that are in service and that the
	// library does not know yet, with their ISO countries.
	ExtraAreaCodes map[string]string
	Destinations   []string // ISO countries that messages may go to; "*" for any
	Sender         string   // number that messages are sent from, with or without +, or short code
	Senders        []string // further ones that a caller may name
	SingleMedium   bool     // the API in use carries one medium a message
	NoFallbackText bool     // the API in use has no SMS fallback with a text of its own
}

// Rules say what a caller may ask for.
type Rules struct {
	opts    RuleOptions
	sender  string
	senders map[string]string // canonical form by digits
	phones  phoneRules
}

// NewRules makes rules. The options are as configuration checked them.
func NewRules(opts RuleOptions) *Rules {
	r := &Rules{
		opts: opts, sender: CanonicalSender(opts.Sender), senders: make(map[string]string),
		phones: phoneRules{
			region: opts.DefaultRegion, destinations: slices.Clone(opts.Destinations),
			extra: maps.Clone(opts.ExtraAreaCodes), known: &exchanges{},
		},
	}
	for _, sender := range append([]string{opts.Sender}, opts.Senders...) {
		if sender == "" {
			continue
		}
		r.senders[strings.TrimPrefix(sender, "+")] = CanonicalSender(sender)
	}
	return r
}

// CanonicalSender is a sender as messages name it: with the + that a phone
// number may be written without. What is too short to be a phone number is a
// short code and stays as it is.
func CanonicalSender(sender string) string {
	const shortCodeMax = 8
	if strings.HasPrefix(sender, "+") || len(sender) <= shortCodeMax {
		return sender
	}
	return "+" + sender
}

// Draft is a request after it was checked. Content means something only when
// there are no Problems.
type Draft struct {
	Content  Content
	From     string       // the number to send from: the caller's choice or the default
	Problems []FieldError // against rules that always apply
	More     int          // problems beyond those listed
	Late     []FieldError // against rules that a retry of a message already accepted is excused from

	SingleMedium bool // it was written as mediaUrl
}

// MediaField names the field that medium i was written in.
func (d Draft) MediaField(i int) string {
	if d.SingleMedium {
		return fieldMediaURL
	}
	return mediaName(i)
}

// Parse reads and checks one message. keys are the values of the header
// Idempotency-Key, which stands for a missing clientReference. The error is a
// *strictjson.SyntaxError for a body that cannot be read at all.
func (r *Rules) Parse(body []byte, keys []string, now time.Time) (Draft, error) {
	value, err := parseObject(body)
	if err != nil {
		return Draft{}, err
	}
	fields := ReadFields(value)
	fields.useKeys(keys)
	return r.Check(fields, now), nil
}

// parseObject reads a body that has to be an object.
func parseObject(body []byte) (strictjson.Value, error) {
	value, err := strictjson.Parse(body)
	if err != nil {
		return strictjson.Value{}, err
	}
	if !value.IsObject() {
		return strictjson.Value{}, &strictjson.SyntaxError{Reason: "the JSON value is not an object"}
	}
	return value, nil
}

// Check applies the rules to fields.
func (r *Rules) Check(f Fields, now time.Time) Draft {
	c := check{problems: &f.problems}
	content := Content{
		To:              r.checkTo(&c, f),
		From:            r.checkFrom(&c, f),
		Subject:         c.subject(f.Subject),
		Text:            c.text("text", f.Text, textMax),
		Media:           r.checkMedia(&c, f),
		ClientReference: c.reference("clientReference", f.ClientReference),
		Priority:        c.priority(f.Priority),
		FallbackText:    r.checkFallback(&c, f),
		Metadata:        c.metadata(f.Metadata),
	}
	if f.CallbackURL != nil {
		content.CallbackURL = c.url("callbackUrl", *f.CallbackURL)
	}
	content.SendAt, content.ExpiresAt = c.times(f, now)
	draft := Draft{
		Content: content, From: content.From, Problems: c.problems.list, More: c.problems.more, Late: c.late.list,
		SingleMedium: f.MediaURL != nil,
	}
	if draft.From == "" {
		draft.From = r.sender
	}
	return draft
}

// check collects the problems that a request has.
type check struct {
	problems *problems // against rules that always apply
	late     problems  // as Draft.Late
}

func (r *Rules) checkTo(c *check, f Fields) string {
	if f.To == nil {
		if !f.wrong("to") {
			c.problems.add("to", ProblemRequired, "a phone number is required")
		}
		return ""
	}
	number, problem := r.phones.check(*f.To)
	if problem != nil {
		c.problems.add("to", problem.code, problem.text)
	}
	return number
}

func (r *Rules) checkFrom(c *check, f Fields) string {
	if f.From == nil {
		return ""
	}
	sender, ok := r.senders[strings.TrimPrefix(*f.From, "+")]
	if !ok {
		c.problems.add("from", ProblemInvalid, "not a number that this service may send from")
	}
	return sender
}

func (r *Rules) checkFallback(c *check, f Fields) string {
	switch {
	case f.FallbackText == nil, f.isAbsent("fallbackText"):
		return ""
	case r.opts.NoFallbackText:
		c.problems.add("fallbackText", ProblemUnsupported, "the Sinch API in use has no SMS fallback with a text of its own")
	case *f.FallbackText == "":
		c.problems.add("fallbackText", ProblemInvalid, emptyText)
	}
	return c.text("fallbackText", f.FallbackText, fallbackTextMax)
}

// mediaMax is how many slides an MMS of Sinch has.
const mediaMax = 8

// checkMedia takes mediaUrl and media for the same thing. Of a message that has
// both, each is checked all the same: what is wrong comes at once.
func (r *Rules) checkMedia(c *check, f Fields) []string {
	list, single := f.has("media"), f.has(fieldMediaURL)
	switch {
	case list && single:
		c.problems.add("media", ProblemConflict, "mediaUrl and media exclude each other")
	case !list && !single:
		c.problems.add(fieldMediaURL, ProblemRequired, "mediaUrl or media is required: a message without media is no MMS")
	case list && !f.wrong("media") && len(f.Media) == 0:
		c.problems.add("media", ProblemRequired, "at least one medium is required")
	}
	switch {
	case len(f.Media) > mediaMax:
		c.problems.add("media", ProblemTooMany, "at most 8 media")
	case len(f.Media) > 1 && r.opts.SingleMedium:
		c.problems.add("media", ProblemMediaCount, "the Sinch API in use carries one medium a message")
	}
	var media []string
	if f.MediaURL != nil {
		media = append(media, c.url(fieldMediaURL, *f.MediaURL))
	}
	for i, medium := range f.Media {
		if medium != nil {
			media = append(media, c.url(mediaName(i), *medium))
		}
	}
	return media
}
