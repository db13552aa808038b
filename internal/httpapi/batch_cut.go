package httpapi

import (
	"errors"
	"fmt"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// cutError says that a stream could be read up to a row and no further.
type cutError struct {
	row   int64 // its index
	cause error
}

// Error implements error.
func (e *cutError) Error() string { return fmt.Sprintf("row %d cannot be read: %v", e.row, e.cause) }

// Unwrap makes the cause known to package errors.
func (e *cutError) Unwrap() error { return e.cause }

// cut is what a caller is told whose stream ended before its time, if it is
// still there. What was accepted stays accepted, so it says how the rest follows
// without doubling that.
func (b *batchRun) cut(e *cutError) *problem {
	endless, ok := errors.AsType[*rowstream.EndlessError](e)
	if !ok {
		return newProblem(codeInvalidJSON, "The body could not be read to its end. "+b.goOn("Send"))
	}
	p := newProblem(codeValidation, "The end of a row cannot be found, so nothing after it was read. "+b.goOn("Correct it and send"))
	p.Errors = []message.FieldError{{
		Field: fmt.Sprintf("messages[%d]", e.row), Code: message.ProblemInvalid, Message: endless.Error(),
	}}
	return p
}

// goOn says what was taken of a stream that was cut, and what to send now.
func (b *batchRun) goOn(send string) string {
	switch {
	case b.dryRun:
		return "Nothing was taken: this was a dry run. " + send + " the whole again."
	case b.batch.ID == "":
		return "Nothing was taken. " + send + " the whole again."
	case b.batch.Reference == "":
		return "The rows before were taken, and the batch has no reference by which they would be known again. " + send +
			" only what follows them."
	default:
		return "The rows before were taken. " + send + " the whole again under the same reference."
	}
}
