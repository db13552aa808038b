// Package conversation simulates the Conversation API of one app, in dispatch mode, for sinchsim.
package conversation
