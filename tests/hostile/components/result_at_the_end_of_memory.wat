;; Answers with bytes that begin in its memory and end behind it.
(func $attack (result i32) (call $bytes (i32.const 65535) (i32.const 2)))
