;; Reads the clock for ever before anybody called it.
(func $begin (loop $again (drop (call $mono_now)) (br $again)))
(start $begin)
(func $attack (result i32) (call $number (i64.const 0)))
