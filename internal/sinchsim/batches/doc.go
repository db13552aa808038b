// Package batches simulates the SMS REST API, with batches of the types mt_media and mt_text, for sinchsim.
package batches
