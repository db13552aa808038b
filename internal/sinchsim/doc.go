// Package sinchsim is a Sinch that can be told what to do. It speaks the wire
// protocol of the MMS JSON API (/ep/v2/), of the SMS REST API with type mt_media
// (/xms/v1/{plan}/…) and of the Conversation API with channel MMS
// (/v1/projects/{project}/…), sends delivery receipts by each API's own retry
// rule, misbehaves on request and keeps count of what it accepted.
//
// One call passes four desks:
//
//	API (mms*.go, …)     credentials, wire format, the checks Sinch makes
//	script (script.go)   which Behavior meets this call
//	book (book.go)       the call is recorded; acceptance is counted here
//	wire (wire.go)       the answer, or what happens instead of one
//
// and leaves receipts on a lane (lane.go), which delivers them. The book is the
// judge of doubles: a message is doubled when the book counts more than one
// accepted call for it, whatever the caller believes.
//
// A further API is one more implementation of the api interface; the script, the
// book, the wire and the lanes do not know which API they serve.
package sinchsim
