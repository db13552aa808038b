package receipt

import (
	"cmp"
	"encoding/json"

	"mmsdispatch/internal/message"
)

// fitsMMS recognises a postback of the MMS API by its code or its origin.
func fitsMMS(f fields) bool { return f.has("origin") || f.has("code") }

// readMMS reads a postback. The code alone decides: the status beside it is a
// free text that differs by the age of the account (MMS API reference, postback
// notification codes; XML service, appendix), so
// there is no second value to agree with. A postback is matched by the reference,
// which every message of this service has.
func readMMS(f fields) []Receipt {
	code := f.text("code")
	c, known := mmsCodes[string(code)]
	if !known {
		c = mmsCode{kind: KindReport}
	}
	r := Receipt{
		Kind: c.kind, Ref: f.text("client-reference").ID(), SinchID: f.text("tracking-id").ID(), Recipient: f.text("to").ID(),
		State: c.state, SentAs: c.sentAs, Code: c.reason, SinchCode: code.Code(), Detail: c.detail, At: instant(f.text("timestamp")),
		Operator: operator(f.text("operator-id")),
	}
	if r.SinchID == "" {
		r.SinchID = f.text("trackingid").ID() // a spelling of older accounts
	}
	if !known {
		r.Unproven = UnprovenCode
	}
	switch {
	case !known && r.Ref == "":
		r.Kind = KindOther
	case r.Kind == KindTemplate:
		r.Template = Template{ID: f.text("mms-id").ID(), Ready: c.ready}
	case r.Kind == KindInbound:
		r.Inbound = inboundMMS(f)
	case r.State != message.ReceiptNone && r.SentAs == "":
		r.SentAs = form(f.text("sent-as"))
	}
	return []Receipt{r}
}

// inboundMMS reads an inbound message, whose text is its subject or, where it has
// none, its keyword.
func inboundMMS(f fields) Inbound {
	keyword := words(f.text("keyword"))
	var files []json.RawMessage
	f.into("content", &files)
	return Inbound{
		ID: f.text("tracking-id").ID(), From: digits(f.text("from")), To: digits(f.text("to")),
		Text: cmp.Or(words(f.text("message-subject")), keyword), Keyword: keyword, Media: urls(files, "file"),
	}
}
