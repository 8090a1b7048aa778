//! On whose behalf a call acts, where the task names nobody: the account of the server that the tool
//! belongs to, never another server's.

use task::{Call, Platform};

/// The owner's accounts. What is not known is asked. A bank account is never taken for granted: a
/// payment names the one that it is paid from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accounts {
    /// The mailbox.
    pub mail: Option<String>,
    /// The books.
    pub books: Option<String>,
    /// The page on LinkedIn.
    pub linkedin: Option<String>,
    /// The page on Facebook.
    pub facebook: Option<String>,
    /// The account on Instagram.
    pub instagram: Option<String>,
    /// The account on X.
    pub x: Option<String>,
    /// The number on WhatsApp.
    pub whatsapp: Option<String>,
}

impl Accounts {
    /// The account that a call acts for.
    pub fn of(&self, call: &Call) -> Option<&str> {
        let account = match call {
            Call::SendEmail(_) | Call::DraftEmail(_) => &self.mail,
            Call::CreateInvoiceDraft(_) | Call::PostInvoice(_) => &self.books,
            Call::PostLinkedin(_) => &self.linkedin,
            Call::PostFacebook(_) => &self.facebook,
            Call::PostInstagram(_) => &self.instagram,
            Call::PostTwitter(_) => &self.x,
            Call::DraftSocialPost(draft) => match draft.platform {
                Platform::Linkedin => &self.linkedin,
                Platform::Facebook => &self.facebook,
                Platform::Instagram => &self.instagram,
                Platform::Twitter => &self.x,
            },
            Call::SendWhatsapp(_) => &self.whatsapp,
            Call::InitiatePayment(_) => &None,
        };
        account.as_deref()
    }
}
