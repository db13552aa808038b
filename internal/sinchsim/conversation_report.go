package sinchsim

import "strings"

// deliveryEvent is a delivery report as webhooks get it.
type deliveryEvent struct {
	AppID       string         `json:"app_id"`
	ProjectID   string         `json:"project_id"`
	Accepted    string         `json:"accepted_time"`
	Event       string         `json:"event_time"`
	Metadata    string         `json:"message_metadata"`
	Correlation string         `json:"correlation_id"` // empty in dispatch mode
	Report      deliveryReport `json:"message_delivery_report"`
}

type deliveryReport struct {
	MessageID      string          `json:"message_id"`
	ConversationID string          `json:"conversation_id"` // empty in dispatch mode, as the contact
	Status         string          `json:"status"`
	Channel        channelIdentity `json:"channel_identity"`
	ContactID      string          `json:"contact_id"`
	Reason         *reportReason   `json:"reason,omitzero"`
	Metadata       string          `json:"metadata"`
	Mode           string          `json:"processing_mode"`
}

type reportReason struct {
	Code        string `json:"code"`
	Description string `json:"description"`
	SubCode     string `json:"sub_code"`
}

// reports are the receipts of a message.
func (a *conversationAPI) reports(m *dispatched, notices []notice) []*event {
	address := m.request.CallbackURL
	if address == "" {
		address = a.sim.opts.Conversation.CallbackURL
	}
	if address == "" && a.sim.opts.Receipts.Deliver == nil {
		return nil
	}
	events := make([]*event, len(notices))
	for i, n := range notices {
		events[i] = &event{due: n.due, Receipt: Receipt{
			API: APIConversation, URL: address, Reference: m.request.reference(),
			Code: strings.TrimPrefix(n.code, onSMS), Body: encode(m.event(n.step)),
		}}
	}
	return events
}

func (m *dispatched) event(s step) deliveryEvent {
	q := m.request
	channel, status, reason := reported(s.code)
	report := deliveryReport{
		MessageID: m.id, Status: status, Channel: channelIdentity{Channel: channel, Identity: q.number()},
		Metadata: q.Metadata, Mode: modeDispatch,
	}
	if reason != "" {
		report.Reason = &reportReason{
			Code: reason, Description: "The underlying channel reported: " + reason, SubCode: "UNSPECIFIED_SUB_CODE",
		}
	}
	return deliveryEvent{
		AppID: q.AppID, ProjectID: m.project, Accepted: xmsTime(m.accepted), Event: xmsTime(s.at), Metadata: q.Metadata, Report: report,
	}
}
