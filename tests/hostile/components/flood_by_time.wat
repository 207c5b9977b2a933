;; Asking for a credential makes the call effectful: its clock is the machine's.
(func (export "never") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))
;; Reads the clock until the deadline, with all the fuel there is.
(func $attack (result i32)
    (loop $again (drop (call $mono_now)) (drop (call $random)) (br $again))
    unreachable)
