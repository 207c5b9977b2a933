;; Reads the clock for ever.
(func $attack (result i32)
    (loop $again (drop (call $mono_now)) (br $again))
    unreachable)
