! Fortran for Python scripts: outer(bytes, callback) goes down through a contained procedure and a recursive one into the callback, or
! where that is NULL to an ALLOCATE of so many bytes. What is allocated stays.
module chain
  use iso_c_binding
  implicit none
  private
  public :: outer
  type block
    integer(c_int8_t), allocatable :: bytes(:)
  end type block
  type(block), save, target :: kept(64)
  integer, save :: count = 0
  integer, volatile, save :: after = 0 ! what comes after a call: no call is the last thing to do
  abstract interface
    subroutine called() bind(c)
    end subroutine called
  end interface
contains
  subroutine outer(bytes, callback) bind(c, name="outer")
    integer(c_size_t), value :: bytes
    type(c_funptr), value :: callback
    call inside(bytes + 0)
    after = after + 1
  contains
    subroutine inside(size)
      integer(c_size_t), intent(in) :: size
      call deeper(3, size, callback)
      after = after + 1
    end subroutine inside
  end subroutine outer

  recursive subroutine deeper(levels, bytes, callback)
    integer, intent(in) :: levels
    integer(c_size_t), intent(in) :: bytes
    type(c_funptr), intent(in) :: callback
    if (levels > 0) then
      call deeper(levels - 1, bytes, callback)
    else if (c_associated(callback)) then
      call back(callback)
    else
      call hold(bytes)
    end if
    after = after + 1
  end subroutine deeper

  subroutine back(callback)
    type(c_funptr), intent(in) :: callback
    procedure(called), pointer :: python
    call c_f_procpointer(callback, python)
    call python()
    after = after + 1
  end subroutine back

  subroutine hold(bytes)
    integer(c_size_t), intent(in) :: bytes
    count = count + 1
    allocate (kept(count)%bytes(bytes))
    kept(count)%bytes = 1
  end subroutine hold
end module chain
