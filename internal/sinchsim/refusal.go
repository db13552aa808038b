package sinchsim

import "net/http"

// The error codes of the SMS REST API, with their HTTP status.
var xmsErrors = map[string]int{ //nolint:gochecknoglobals // a table
	"syntax_invalid_json":             http.StatusBadRequest,
	"syntax_invalid_parameter_format": http.StatusBadRequest,
	"syntax_constraint_violation":     http.StatusBadRequest,
	"unknown_group":                   http.StatusForbidden,
	"unknown_campaign":                http.StatusForbidden,
	"missing_callback_url":            http.StatusForbidden,
	"illegal_number_type":             http.StatusForbidden,
	"blocked_account":                 http.StatusForbidden,
	"batch_already_dispatched":        http.StatusForbidden,
	"conflict_send_at":                http.StatusForbidden,
	"conflict_group_name":             http.StatusForbidden,
}

// The errors of the Conversation API, which are gRPC's, with their HTTP status.
var conversationErrors = map[string]int{
	"INVALID_ARGUMENT":    http.StatusBadRequest,
	"FAILED_PRECONDITION": http.StatusBadRequest,
	"OUT_OF_RANGE":        http.StatusBadRequest,
	"UNAUTHENTICATED":     http.StatusUnauthorized,
	"PERMISSION_DENIED":   http.StatusForbidden,
	"NOT_FOUND":           http.StatusNotFound,
	"RESOURCE_EXHAUSTED":  http.StatusTooManyRequests,
	"INTERNAL":            http.StatusInternalServerError,
	"UNIMPLEMENTED":       http.StatusNotImplemented,
	"UNAVAILABLE":         http.StatusServiceUnavailable,
}

// BatchesStatus is the HTTP status of an error code of the SMS REST API; ok is false for an unknown code.
func BatchesStatus(code string) (status int, ok bool) {
	status, ok = xmsErrors[code]
	return status, ok
}

// ConversationStatus is the HTTP status of an error of the Conversation API; ok is false for an unknown code.
func ConversationStatus(code string) (status int, ok bool) {
	status, ok = conversationErrors[code]
	return status, ok
}
