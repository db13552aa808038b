package mmsjson

import (
	"context"
	"slices"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// saveRequest is the action savemms. The fields that differ between messages are in
// each sendsavedmms, which overrides these.
type saveRequest struct {
	Action          string  `json:"action"`
	Name            string  `json:"name"` // shown in Sinch's dashboard
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

// codeAction: the account does not include the action. It is no account problem,
// since sendmms still works.
const codeAction = "E107"

// readSave derives the outcome of savemms. Success without an id is unusable.
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

// savedRequest makes the body of a call that sends a saved message. Text and media
// are part of the saved message, and sendsavedmms has no field to override them.
func (p *Provider) savedRequest(m sinch.Message) sendRequest {
	r := p.addressed("sendsavedmms", m)
	r.SavedID = m.SavedID
	return r
}

// aboutSaved reports whether a response is about the saved message rather than about
// this one.
func aboutSaved(o sinch.Outcome) sinch.Outcome {
	switch o.SinchCode {
	case "E241", "E620":
		o.Kind = sinch.Gone
	case "E626":
		o.Kind = sinch.NotReady
	}
	return o
}
