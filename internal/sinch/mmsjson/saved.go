package mmsjson

import (
	"context"
	"slices"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// saveRequest is the action savemms. What differs from message to message is
// said by each sendsavedmms: it overrides what stands here.
type saveRequest struct {
	Action          string  `json:"action"`
	Name            string  `json:"name"` // for people, in Sinch's own pages
	Subject         string  `json:"message-subject"`
	DisableFallback bool    `json:"disable-fallback-sms"`
	ClientReference string  `json:"client-reference"`
	Slides          []slide `json:"slide"`
}

// Save implements sinch.Saver.
func (p *Provider) Save(ctx context.Context, s sinch.Shared) sinch.Outcome {
	return p.post(ctx, saveRequest{
		Action: "savemms", Name: s.Ref, Subject: p.opts.DefaultSubject, DisableFallback: true, ClientReference: s.Ref,
		Slides: slides(s.Text, s.Media),
	}, s.Deadline, readSave)
}

// Encodes implements sinch.Saver.
func (*Provider) Encodes(media []sinch.Media) bool {
	return slices.ContainsFunc(media, func(m sinch.Media) bool {
		s := slideFor(m)
		return s.Audio != nil || s.Video != nil
	})
}

// codeAction is the answer to an action that is not part of the account. That
// sendmms works all the same, so it is no trouble of the account.
const codeAction = "E107"

// readSave finds out what became of savemms. Success without an id is of no
// use.
func readSave(res wire.Response, now time.Time) sinch.Outcome {
	o := read(res, now)
	switch {
	case o.Kind == sinch.Accepted:
		if o.SinchID = parse(res.Body).MMSID.ID(); o.SinchID == "" {
			return wire.Unknown("saved without an id")
		}
	case o.SinchCode == codeAction:
		o.Kind = sinch.Refused
	}
	return o
}

// savedRequest makes the body of a call that names what was saved. Text and
// media stand in what was saved, and sendsavedmms has no field to override
// them.
func (p *Provider) savedRequest(m sinch.Message) sendRequest {
	r := p.addressed("sendsavedmms", m)
	r.SavedID = m.SavedID
	return r
}

// aboutSaved tells the answers that are about what was saved from those that
// are about the message.
func aboutSaved(o sinch.Outcome) sinch.Outcome {
	switch o.SinchCode {
	case "E241", "E620":
		o.Kind = sinch.Gone
	case "E626":
		o.Kind = sinch.NotReady
	}
	return o
}
