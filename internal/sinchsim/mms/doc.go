// Package mms simulates the MMS JSON API, for sinchsim.
package mms
