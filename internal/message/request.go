package message

import (
	"maps"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/strictjson"
)

// RuleOptions are the rules that come from configuration.
type RuleOptions struct {
	DefaultRegion string // ISO country of numbers that are written without +
	// ExtraAreaCodes are area codes under +1 that are in service and that the
	// library does not know yet, with their ISO countries.
	ExtraAreaCodes map[string]string
	Destinations   []string // ISO countries to which messages may be sent; "*" for any
	Sender         string   // default sender: a number with or without +, or a short code
	Senders        []string // further senders that a caller may choose
	SenderTenants  SenderTenants
	SingleMedia    bool // the API in use carries one media per message
	NoFallbackText bool // the API in use has no SMS fallback with a text of its own
}

// Rules check requests.
type Rules struct {
	opts    RuleOptions
	sender  string
	senders map[string]string // canonical form by digits
	phones  phoneRules

	fromRequired bool // the tenant may not use the default sender
}

// NewRules creates rules. Configuration has validated the options.
func NewRules(opts RuleOptions) *Rules {
	r := &Rules{
		opts: opts, sender: CanonicalSender(opts.Sender), senders: make(map[string]string),
		phones: phoneRules{
			region: opts.DefaultRegion, destinations: slices.Clone(opts.Destinations),
			extra: maps.Clone(opts.ExtraAreaCodes), cache: &exchanges{},
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

// CanonicalSender is a sender in the form of messages: a phone number with its +. A
// sender that is too short to be a phone number is a short code and does not change.
func CanonicalSender(sender string) string {
	const shortCodeMax = 8
	if strings.HasPrefix(sender, "+") || len(sender) <= shortCodeMax {
		return sender
	}
	return "+" + sender
}

// Draft is a request after it was checked. Content is valid only without Problems.
type Draft struct {
	Content  Content
	From     string       // the sender: the caller's choice or the default
	Problems []FieldError // of rules that always apply
	More     int          // problems beyond those listed
	Late     []FieldError // of rules that do not apply to the retry of an accepted message

	SingleMedia bool // the media was written as mediaUrl
	Rendered    int  // bytes of the texts that come from a template
}

// MediaField names the field in which media i was written.
func (d Draft) MediaField(i int) string {
	if d.SingleMedia {
		return fieldMediaURL
	}
	return mediaName(i)
}

// Parse reads and checks one message. keys are the values of the header
// Idempotency-Key, which replaces a missing clientReference. The error is a
// *strictjson.SyntaxError for a body that is not a JSON object.
func (r *Rules) Parse(body []byte, keys []string, now time.Time) (Draft, error) {
	value, err := parseObject(body)
	if err != nil {
		return Draft{}, err
	}
	fields := ReadFields(value)
	fields.useKeys(keys)
	return r.Check(fields, now), nil
}

// parseObject reads a body that must be an object.
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
	rendered := c.render(&f)
	content := Content{
		To:              r.checkTo(&c, f),
		From:            r.checkFrom(&c, f),
		Subject:         c.subject(f.texts[textSubject]),
		Text:            c.text("text", f.texts[textText], textMax),
		Media:           r.checkMedia(&c, f),
		ClientReference: c.reference("clientReference", f.texts[textReference]),
		Priority:        c.priority(f.texts[textPriority]),
		FallbackText:    r.checkFallback(&c, f),
		Metadata:        c.metadata(f.Metadata),
		QuietHours:      c.quietHours(f.texts[textQuietHours]),
	}
	if callback := f.texts[textCallbackURL]; callback != nil {
		content.CallbackURL = c.url("callbackUrl", *callback)
	}
	content.SendAt, content.ExpiresAt = c.times(f, now)
	draft := Draft{
		Content: content, From: content.From, Problems: c.problems.list, More: c.problems.more, Late: c.late.list,
		SingleMedia: f.texts[textMediaURL] != nil, Rendered: rendered,
	}
	if draft.From == "" {
		draft.From = r.sender
	}
	return draft
}

// check collects the problems of a request.
type check struct {
	problems *problems // of rules that always apply
	late     problems  // as Draft.Late
}

func (r *Rules) checkTo(c *check, f Fields) string {
	to := f.texts[textTo]
	if to == nil {
		if !f.wrong("to") {
			c.problems.add("to", ProblemRequired, "a phone number is required")
		}
		return ""
	}
	number, problem := r.phones.check(*to)
	if problem != nil {
		c.problems.add("to", problem.code, problem.text)
	}
	return number
}

func (r *Rules) checkFrom(c *check, f Fields) string {
	from := f.texts[textFrom]
	if from == nil {
		if r.fromRequired && !f.wrong("from") {
			c.problems.add("from", ProblemRequired, "your tenant may not send from the default number; name one that it may")
		}
		return ""
	}
	sender, ok := r.senders[strings.TrimPrefix(*from, "+")]
	if !ok {
		c.problems.add("from", ProblemInvalid, "not a number that this service may send from")
	}
	return sender
}

func (r *Rules) checkFallback(c *check, f Fields) string {
	text := f.texts[textFallback]
	switch {
	case text == nil, f.isAbsent("fallbackText"):
		return ""
	case r.opts.NoFallbackText:
		c.problems.add("fallbackText", ProblemUnsupported, "the Sinch API in use has no SMS fallback with a text of its own")
	case *text == "":
		c.problems.add("fallbackText", ProblemInvalid, emptyText)
	}
	return c.text("fallbackText", text, fallbackTextMax)
}

// mediaMax is the largest number of slides in an MMS of Sinch.
const mediaMax = 8

// checkMedia returns the URLs of mediaUrl and media. In a message that has both,
// each is checked nevertheless, so that the caller gets all problems at once.
func (r *Rules) checkMedia(c *check, f Fields) []string {
	list, single := f.has("media"), f.has(fieldMediaURL)
	switch {
	case list && single:
		c.problems.add("media", ProblemConflict, "mediaUrl and media exclude each other")
	case !list && !single:
		c.problems.add(fieldMediaURL, ProblemRequired, "mediaUrl or media is required: a message without media is no MMS")
	case list && !f.wrong("media") && len(f.Media) == 0:
		c.problems.add("media", ProblemRequired, "at least one media is required")
	}
	switch {
	case len(f.Media) > mediaMax:
		c.problems.add("media", ProblemTooMany, "at most 8 media")
	case len(f.Media) > 1 && r.opts.SingleMedia:
		c.problems.add("media", ProblemMediaCount, "the Sinch API in use carries one media per message")
	}
	var media []string
	if single := f.texts[textMediaURL]; single != nil {
		media = append(media, c.media(fieldMediaURL, *single))
	}
	for i, entry := range f.Media {
		if entry != nil {
			media = append(media, c.media(mediaName(i), *entry))
		}
	}
	return media
}
