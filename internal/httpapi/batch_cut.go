package httpapi

import (
	"errors"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// cutError reports the row at which a stream became unreadable.
type cutError struct {
	row   int64 // its index
	cause error
}

// Error implements error.
func (e *cutError) Error() string { return fmt.Sprintf("row %d cannot be read: %v", e.row, e.cause) }

// Unwrap returns the cause.
func (e *cutError) Unwrap() error { return e.cause }

// cut is the problem for a caller whose stream ended early. Accepted rows stay
// accepted, so the detail names the way to send the rest without sending them
// twice.
func (b *batchRun) cut(e *cutError) *problem {
	endless, ok := errors.AsType[*rowstream.EndlessError](e)
	if !ok {
		return newProblem(codeInvalidJSON, "The body could not be read to its end. "+b.continuation("Send"))
	}
	p := newProblem(codeValidation, "The end of a row cannot be found, so nothing after it was read. "+
		b.continuation("Correct it and send"))
	p.Errors = []message.FieldError{{
		Field: fmt.Sprintf("messages[%d]", e.row), Code: message.ProblemInvalid, Message: endless.Error(),
	}}
	return p
}

// continuation is the part of the detail that says whether rows were accepted and
// which part of the stream to send next.
func (b *batchRun) continuation(send string) string {
	switch {
	case b.dryRun:
		return "Nothing was accepted: this was a dry run. " + send + " the whole body again."
	case b.batch.ID == "":
		return "Nothing was accepted. " + send + " the whole body again."
	case b.batch.Reference == "":
		return "The rows before the error were accepted, and the batch has no reference that would identify them in a second request. " +
			send + " only the rows after them."
	default:
		return "The rows before the error were accepted. " + send + " the whole body again under the same reference."
	}
}
