// Command asynqmon serves the real asynqmon UI and its HTTP API on one Redis.
package main

func main() {}
