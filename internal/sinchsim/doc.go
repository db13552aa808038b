// Package sinchsim simulates Sinch. It implements the wire protocol of the MMS JSON
// API (/ep/v2/), of the SMS REST API with type mt_media (/xms/v1/{plan}/…) and of
// the Conversation API with channel MMS (/v1/projects/{project}/…), sends delivery
// receipts by each API's own retry rule, misbehaves on request and counts the
// calls that it accepted.
//
// A call passes four stages:
//
//	API (packages mms, …)     checks credentials and wire format as Sinch does
//	script (script.go)        decides the Behavior of the call
//	recorder (recorder.go)    records the call and counts its acceptance
//	responder (responder.go)  writes the answer, or hangs, resets, cuts
//
// and pushes receipts onto a lane (lane.go), whose CallbackSender delivers them. A
// message is doubled when the recorder counts more than one accepted call for it.
//
// The packages mms, batches and conversation each implement Service for one API;
// New is given their constructors. The script, the recorder, the responder and the
// lanes do not depend on the API.
package sinchsim
