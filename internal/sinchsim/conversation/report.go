package conversation

import (
	"strings"

	"mmsdispatch/internal/sinchsim"
)

// deliveryEvent is the body of a webhook request with a delivery report.
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
func (a *api) reports(m *dispatched, notices []sinchsim.Notice) []*sinchsim.Event {
	address := m.request.CallbackURL
	if address == "" {
		address = a.sim.Options().Conversation.CallbackURL
	}
	if address == "" && a.sim.Options().Receipts.Deliver == nil {
		return nil
	}
	events := make([]*sinchsim.Event, len(notices))
	for i, n := range notices {
		events[i] = &sinchsim.Event{Due: n.Due, Receipt: sinchsim.Receipt{
			API: sinchsim.APIConversation, URL: address, Reference: m.request.reference(),
			Code: strings.TrimPrefix(n.Code, onSMS), Body: sinchsim.Encode(m.event(n.Step)),
		}}
	}
	return events
}

func (m *dispatched) event(s sinchsim.Step) deliveryEvent {
	q := m.request
	channel, status, reason := reported(s.Code)
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
		AppID: q.AppID, ProjectID: m.project, Accepted: sinchsim.FormatTime(m.accepted),
		Event: sinchsim.FormatTime(s.At), Metadata: q.Metadata, Report: report,
	}
}
