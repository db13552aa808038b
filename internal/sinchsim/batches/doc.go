// Package batches simulates the SMS REST API, with batches of type mt_media, for sinchsim.
package batches
