"""Writes of accounts: codes, log-in, sessions, people, staff, addresses, and forgetting."""

from apps.accounts.services.addresses import (
    AddressFields,
    add_address,
    change_address,
    check_address,
    remove_address,
)
from apps.accounts.services.cleanup import delete_expired
from apps.accounts.services.contact_details import record_contact_details_view
from apps.accounts.services.erasure import StaffNotErasable, erase_user
from apps.accounts.services.log_in import ANONYMOUS, authenticate_staff, log_in_with_code, log_in_with_password
from apps.accounts.services.otp import request_email_code, request_log_in_code, request_password_code, send_code
from apps.accounts.services.profiles import change_name, change_own_password, confirm_email, set_own_password
from apps.accounts.services.reference_data import set_up_reference_data
from apps.accounts.services.sessions import (
    Device,
    Grant,
    end_session,
    log_out,
    log_out_everywhere,
    refresh_session,
)
from apps.accounts.services.staff import (
    create_staff,
    deactivate_user,
    reactivate_user,
    set_password,
    set_roles,
)

__all__ = [
    "ANONYMOUS",
    "AddressFields",
    "Device",
    "Grant",
    "StaffNotErasable",
    "add_address",
    "authenticate_staff",
    "change_address",
    "change_name",
    "change_own_password",
    "check_address",
    "confirm_email",
    "create_staff",
    "deactivate_user",
    "delete_expired",
    "end_session",
    "erase_user",
    "log_in_with_code",
    "log_in_with_password",
    "log_out",
    "log_out_everywhere",
    "reactivate_user",
    "record_contact_details_view",
    "refresh_session",
    "remove_address",
    "request_email_code",
    "request_log_in_code",
    "request_password_code",
    "send_code",
    "set_own_password",
    "set_password",
    "set_roles",
    "set_up_reference_data",
]
