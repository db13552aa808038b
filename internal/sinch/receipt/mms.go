package receipt

import (
	"encoding/json"

	"mmsdispatch/internal/message"
)

// fitsMMS knows a postback of the MMS API by its code or by where it says it
// comes from.
func fitsMMS(f fields) bool { return f.has("origin") || f.has("code") }

// readMMS reads a postback. The code alone decides: the status beside it is a
// free text that differs by the age of the account (MMS API reference, postback
// notification codes; XML service, appendix), so that there is no second half to
// agree with. A postback joins by our reference, which each of ours carries.
func readMMS(f fields) []Receipt {
	code := f.text("code")
	c, known := mmsCodes[string(code)]
	if !known {
		c = mmsCode{kind: KindReport}
	}
	r := Receipt{
		Kind: c.kind, Ref: f.text("client-reference").ID(), SinchID: f.text("tracking-id").ID(), Recipient: f.text("to").ID(),
		State: c.state, SentAs: c.sentAs, Code: c.reason, SinchCode: code.Code(), Detail: c.detail, At: instant(f.text("timestamp")),
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

// inboundMMS reads an inbound message, whose words are its keyword or, where
// Sinch found none, its subject.
func inboundMMS(f fields) Inbound {
	said := f.text("keyword")
	if said == "" {
		said = f.text("message-subject")
	}
	var files []json.RawMessage
	f.into("content", &files)
	return Inbound{
		ID: f.text("tracking-id").ID(), From: digits(f.text("from")), To: digits(f.text("to")), Text: words(said), Media: len(files),
	}
}
