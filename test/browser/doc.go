// Package browser tests the console as an operator uses it: in Chromium, over api,
// workers, simulator and Redis as processes of their own. One installation and one
// browser serve all tests; each test has a window of its own, with or without script.
//
// A test is a handful of sentences:
//
//	w := c.open(t, operator)
//	w.follow(link("Problems"))
//	w.follow(button("Replay").near("E110"))
//	w.fill("Reason", "the numbers were corrected")
//	w.follow(button("Replay"))
//	w.await("the end of the replay", "done: 3 of 3")
//
// With SCREENSHOTS=1, TestScreenshots writes the pictures of the documentation.
package browser
